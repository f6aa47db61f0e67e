"""The lab's services: started detached in their namespaces, found there again, and ended there."""

import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from lab.commands import ENVIRONMENT
from runner.errors import CommandFailed

__all__ = ["end", "inhabitants", "namespaces", "start", "tail"]

_NETNS = Path("/run/netns")
# The shell is in the namespace by the time it lets go of the lock, its standard input: a service never holds it,
# and one that is being started when `lab up` is killed is found in its namespace by whoever takes the lock next.
_DETACH = 'exec setsid --fork "$@" </dev/null'

# A killed process needs the processor once more, which a busy machine may take its time to give it.
_KILLED_WITHIN = 30.0

Identity = tuple[int, int]


def start(namespace: str, argv: Sequence[str], log: Path, lock: int) -> None:
    """Start a service in a namespace, in a session of its own, with its output in `log`; raises CommandFailed."""
    command = ["ip", "netns", "exec", namespace, "sh", "-c", _DETACH, "sh", *argv]
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: PLW1510 - the status is looked at below
            command, stdin=lock, stdout=output, stderr=output, timeout=30, env=ENVIRONMENT, cwd=log.parent
        )
    if done.returncode:
        raise CommandFailed(namespace, command, done.returncode, tail(log))


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, or that there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) or "(it is empty)"
    except FileNotFoundError:
        return "(there is none)"


def namespaces(names: Iterable[str]) -> dict[str, Identity]:
    """Return which of these namespaces there are, by device and inode."""
    found = {}
    for name in names:
        with suppress(FileNotFoundError):
            found[name] = _identity(_NETNS / name)
    return found


def inhabitants(identities: Collection[Identity]) -> list[int]:
    """Return the processes in these namespaces, ourselves left out."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in found if pid != os.getpid() and _lives_in(pid, identities)]


def end(identities: Collection[Identity], grace: float = 3.0) -> None:
    """End every process in these namespaces: SIGTERM, and SIGKILL after `grace` seconds."""
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while (left := inhabitants(identities)) and time.monotonic() < deadline:
        for pid in set(left) - asked:
            _signal(pid, identities, signal.SIGTERM)
        asked.update(left)
        time.sleep(0.02)
    deadline = time.monotonic() + _KILLED_WITHIN
    while (left := inhabitants(identities)) and time.monotonic() < deadline:
        for pid in left:
            _signal(pid, identities, signal.SIGKILL)
        time.sleep(0.02)


def _lives_in(pid: int, identities: Collection[Identity]) -> bool:
    try:
        return _identity(Path(f"/proc/{pid}/ns/net")) in identities
    except OSError:
        return False


def _identity(path: Path) -> Identity:
    found = path.stat()
    return found.st_dev, found.st_ino


def _signal(pid: int, identities: Collection[Identity], number: signal.Signals) -> None:
    """Signal a process only if the number still belongs to one that lives in the lab."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if _lives_in(pid, identities):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
