"""Where runs go: into the store, or into the spool while the store is away."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reports import spool
from reports.record import Experiment, Origin, Record, Start
from reports.store import Store, open_store
from reports.verdict import judged
from runner.errors import ChaosctlError, Unreachable

__all__ = ["Delivery", "Pushed", "begin", "deliver", "finish"]


@dataclass(frozen=True)
class Delivery:
    """Where something went; `reason` says why it is in the spool and not in the store, and `record` what was kept."""

    place: str
    reason: str = ""
    record: Record | None = None

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        if not self.reason:
            return f"Stored in {self.place}."
        return f"Kept in {self.place} until the store can take it: chaosctl report push. {self.reason}"


@dataclass(frozen=True)
class Pushed:
    """What became of the spool: how much the store took, had already, and why it refused what stays."""

    stored: int = 0
    present: int = 0
    refused: tuple[str, ...] = ()


def begin(run: str, experiment: Experiment, origin: Origin, started: float, store_url: str = "") -> Delivery:
    """Note that a run begins, before anything happens, in the store or the spool.

    Raises UsageError or Missing where the store can never work as it is named, Unreachable where neither place can be
    written: a run that leaves no trace should not begin.
    """
    start = Start(run=run, experiment=experiment, origin=origin, started=started)
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
    taken: list[bool] = []
    refused: list[str] = []
    with open_store(store_url) as store:
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
