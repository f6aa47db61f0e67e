"""Where runs go: into the store, or into the spool while the store is away."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

from reports import spool
from reports.place import resolved, without_password
from reports.record import Record, Start
from reports.store import Store, open_store
from reports.verdict import judged
from reports.words import counted
from runner.errors import ChaosctlError, Unreachable

__all__ = ["Delivery", "Pushed", "begin", "deliver", "finish"]

_BEGIN_SECONDS = 15.0
_FINISH_SECONDS = 60.0


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
    """Note that a run begins, before anything happens, in the spool and then in the store.

    Raises UsageError or Missing where the store can never work as it is named, Unreachable where neither place can be
    written: a run that leaves no trace should not begin. A store that does not answer in time is left for later.
    """
    try:
        path = spool.note_start(start, store_url)
    except Unreachable as unkept:
        return _directly(lambda store: store.begin(start), store_url, unkept)
    try:
        return Delivery(_in_time(_BEGIN_SECONDS, store_url, lambda store: _push(store, path)))
    except Unreachable as away:
        return Delivery(str(path), away.message)
    except ChaosctlError:
        spool.remove(path)
        raise


def finish(record: Record, store_url: str = "") -> Delivery:
    """Judge and keep a record once, at the end of its run: in the spool first, so that whatever kills us, it is kept.

    Then the store gets it, and with it what waited there from runs before. Raises Unreachable where neither place can
    be written.
    """
    whole = judged(record)
    try:
        path = spool.put(whole, store_url)
    except Unreachable as unkept:
        return _directly(lambda store: store.keep(whole), store_url, unkept, whole)
    try:
        place = _in_time(_FINISH_SECONDS, store_url, lambda store: _push_all(store, path, store_url))
    except ChaosctlError as away:
        return Delivery(str(path), away.message, whole)
    return Delivery(place, record=whole)


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


def _push_all(store: Store, path: Path, store_url: str) -> None:
    """Hand over this run's record, then what waits from others; what of those is refused stays, and is told later."""
    _push(store, path)
    _delivered(store, spool.waiting(store_url))


def _in_time(seconds: float, store_url: str, work: Callable[[Store], object]) -> str:
    """Do something with the store, and return its place; raises Unreachable where that takes too long.

    A store that accepts a connection and then says nothing would delay a run for as long as it likes. What goes on in
    the background then does no harm: all of it can be done twice.
    """
    done: Queue[str | ChaosctlError] = Queue()

    def attempt() -> None:
        try:
            with open_store(store_url) as store:
                work(store)
                done.put(store.place)
        except ChaosctlError as error:
            done.put(error)
        except Exception as error:  # noqa: BLE001 - the outermost edge of this thread: told where it is waited for
            done.put(ChaosctlError(f"A bug of ours in the store: {type(error).__name__}: {error}."))

    Thread(target=attempt, daemon=True).start()
    try:
        result = done.get(timeout=seconds)
    except Empty as error:
        place = without_password(resolved(store_url))
        raise Unreachable(f"The store {place} has not answered for {seconds:g} s.", "See that it runs.") from error
    if isinstance(result, ChaosctlError):
        raise result
    return result


def _directly(
    work: Callable[[Store], object], store_url: str, unkept: Unreachable, record: Record | None = None
) -> Delivery:
    """Where the spool cannot be written, the store is all there is."""
    try:
        with open_store(store_url) as store:
            work(store)
            return Delivery(store.place, record=record)
    except Unreachable as away:
        raise Unreachable(
            f"Nothing could be kept of this run. {away.message} {unkept.message}", f"{away.fix} {unkept.fix}"
        ) from away
