"""Where runs go: into the store, or into the spool while the store is away."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reports import spool
from reports.record import Record, Start
from reports.store import Store, open_store
from reports.verdict import judged
from reports.words import counted
from runner.errors import ChaosctlError, Unreachable

__all__ = ["Delivery", "Pushed", "begin", "deliver", "finish"]


@dataclass(frozen=True)
class Delivery:
    """Where something went; `reason` says why it is in the spool and not in the store, and `record` what was kept."""

    place: str
    reason: str = ""
    record: Record | None = None

    def __str__(self) -> str:
        if not self.reason:
            return f"Stored in {self.place}."
        return f"Kept in {self.place} until the store can take it: chaosctl report push. {self.reason}"


@dataclass(frozen=True)
class Pushed:
    """What became of the spool: how much the store took, had already, and why it refused what stays."""

    stored: int = 0
    present: int = 0
    refused: tuple[str, ...] = ()


def begin(start: Start, store_url: str = "") -> Delivery:
    """Note that a run begins, before anything happens, in the store or the spool.

    Raises UsageError or Missing where the store can never work as it is named, Unreachable where neither place can be
    written: a run that leaves no trace should not begin.
    """
    try:
        with open_store(store_url) as store:
            store.begin(start)
            return Delivery(store.place)
    except Unreachable as error:
        return _spooled(lambda: spool.note_start(start, store_url), error)


def finish(record: Record, store_url: str = "") -> Delivery:
    """Judge and keep a record once, at the end of its run, in the store or the spool.

    Raises Unreachable where neither can be written.
    """
    whole = judged(record)
    try:
        with open_store(store_url) as store:
            store.keep(whole)
            return Delivery(store.place, record=whole)
    except ChaosctlError as error:
        return _spooled(lambda: spool.put(whole, store_url), error, whole)


def deliver(store_url: str = "") -> Pushed:
    """Push what waits in the spool into the store, each once: it leaves the spool after the store has it.

    Opens no store where nothing waits. Raises Unreachable, Missing or UsageError where the store cannot be opened.
    """
    files = spool.waiting(store_url)
    if not files:
        return Pushed()
    with _opened(store_url, len(files)) as store:
        return _delivered(store, files)


@contextmanager
def _opened(store_url: str, waiting: int) -> Iterator[Store]:
    """Open the store, or say what goes on waiting for it."""
    try:
        with open_store(store_url) as store:
            yield store
    except Unreachable as error:
        kept = f"Nothing is lost; still in the spool: {counted(waiting, 'file')}."
        raise Unreachable(f"{error.message} {kept}", error.fix) from error


def _delivered(store: Store, files: Iterable[Path]) -> Pushed:
    taken: list[bool] = []
    refused: list[str] = []
    for file in files:
        try:
            taken += _push(store, file)
        except Unreachable:
            raise
        except ChaosctlError as error:
            refused.append(str(error))
    return Pushed(taken.count(True), taken.count(False), tuple(refused))


def _push(store: Store, file: Path) -> list[bool]:
    """Hand one file over and remove it; returns whether a record was new, nothing for a start."""
    found = spool.read(file)
    if isinstance(found, Start):
        store.begin(found)
    taken = [store.keep(found)] if isinstance(found, Record) else []
    spool.remove(file)
    return taken


def _spooled(put: Callable[[], Path], away: ChaosctlError, record: Record | None = None) -> Delivery:
    try:
        return Delivery(str(put()), away.message, record)
    except Unreachable as error:
        raise Unreachable(
            f"Nothing could be kept of this run. {away.message} {error.message}",
            f"{away.fix} {error.fix}",
        ) from error
