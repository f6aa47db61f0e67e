"""One command at a time works on a lab; what a killed one left running is waited for."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.plan import Lab
from runner.errors import Refused

__all__ = ["held", "make_directory"]

_PATIENCE = 60.0


@contextmanager
def held(lab: Lab, say: Callable[[str], None]) -> Iterator[int]:
    """Hold the lab's lock and yield its descriptor, for short-lived children to inherit.

    A child that outlives us, because we were killed, keeps the lock until it has ended: whoever comes next never
    looks before the last change has landed. Raises Refused where another holds it for more than 60 s.
    """
    handle = _acquire(lab, say)
    try:
        yield handle
    finally:
        if not os.fstat(handle).st_size:
            lab.marker.unlink()
            with suppress(OSError):
                lab.marker.parent.rmdir()
        os.close(handle)


def make_directory(path: Path) -> None:
    """Make a directory whose empty parents another lab, going down, may take away at the same moment."""
    while not path.is_dir():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:
            continue
        except FileExistsError:  # also where it was there, and is gone before anybody asks what it was
            if path.is_file():
                raise


def _acquire(lab: Lab, say: Callable[[str], None]) -> int:
    asked = time.monotonic()
    told = False
    while (handle := _try(lab.marker)) is None:
        waited = time.monotonic() - asked
        if waited > _PATIENCE:
            raise Refused(
                f"Another command has worked on lab {lab.name!r} for more than {_PATIENCE:.0f} s; nothing was touched.",
                f"`lslocks` shows which process holds {lab.marker}. Let it finish or end it, then try again.",
            )
        if waited > 1 and not told:
            say(f"{lab.name}: waiting for another command that works on this lab")
            told = True
        time.sleep(0.05)
    return handle


def _try(path: Path) -> int | None:
    """Return the locked descriptor of the file at `path`, not of one that was unlinked while we waited."""
    make_directory(path.parent)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(handle).st_ino:
            return handle
    os.close(handle)
    return None
