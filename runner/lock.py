"""A fault's lock: held by whoever changes its targets, and by the commands that do it for as long as they live."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import Missing, Residue
from runner.model import clock

__all__ = ["held", "hold", "unwritable"]

_LIMIT = 30.0
_PAUSE = 0.02


@contextmanager
def hold(fault_id: str, lock: Path) -> Iterator[int]:
    """Hold a lock file, waiting for whoever has it; yields the descriptor to hand to commands.

    Raises Residue, naming who has it, after half a minute: a command of a killed runner has nobody left to end it.
    """
    handle = _opened(lock)
    try:
        limit = clock() + _LIMIT
        while not _taken(handle):
            if clock() > limit:
                raise Residue(
                    f"Fault {fault_id} could not be undone: {_holders(lock)} has been at work on it for {_LIMIT:g} s.",
                    f"See what that process waits for, or end it; then: chaosctl recover {fault_id}",
                )
            threading.Event().wait(_PAUSE)
        yield handle
    finally:
        os.close(handle)


def held(lock: Path) -> bool:
    """Whether somebody has a lock file now."""
    if not lock.exists():
        return False
    handle = _opened(lock)
    try:
        return not _taken(handle)
    finally:
        os.close(handle)


def unwritable(directory: Path, error: OSError, what: str = "The ledger") -> Missing:
    """Return the error for a ledger, or what else is kept beside it, that cannot be written."""
    return Missing(
        f"{what} {directory} cannot be written: {error.strerror}. Nothing is injected without an entry there.",
        "Make room or give permission there, or set XDG_STATE_HOME to a place that can be written.",
    )


def _opened(lock: Path) -> int:
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(lock.parent, error) from error


def _taken(handle: int) -> bool:
    """Take a lock if nobody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holders(lock: Path) -> str:
    """Return the processes that have a file open, this one left out."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            opened = {handle.readlink() for handle in (process / "fd").iterdir()}
            if lock.resolve() in opened and process.name != str(os.getpid()):
                argv = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(f"process {process.name} (`{argv[:80]}`)")
    return " and ".join(found) or "another process"
