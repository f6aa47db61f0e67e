"""Targets belong to the run that has a fault there: its own faults may overlap, another run's never do.

A lock is a file that the kernel lets go of when the process ends, however it ends. It is named by the target's
identity, so that two names for one namespace are one, and a namespace made again is another.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from runner.guardrails.ruling import Ruling, allow, deny
from runner.lock import unwritable
from runner.model import clock, iso
from runner.paths import state_dir

__all__ = ["Holder", "Locks", "holder", "key", "rule"]

_NAME = "locks"
_TRIES = 5
_PAUSE = 0.01


class Holder(NamedTuple):
    """Who has a target: the process as the ledger writes it, what it does there, and since when."""

    owner: str
    what: str
    since: float


class _Held:
    """A lock of this process, with how many of its faults have need of it."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self.handle = handle
        self.users = 0


_ours: dict[Path, _Held] = {}
_guarded = threading.Lock()


class Locks:
    """What one fault or one run of this process has; `owner` and `what` are told to those who are refused."""

    def __init__(self, owner: str, what: str) -> None:
        self._owner = owner
        self._what = what
        self._paths: list[Path] = []

    def take(self, targets: Mapping[str, str]) -> tuple[Ruling, ...]:
        """Take targets, given as names by identity; returns one decision for all, or a no for each that is in use."""
        denied = []
        with _guarded:
            for identity, name in targets.items():
                path = _path(identity)
                if path not in self._paths and (ruling := self._take(path, name)):
                    denied.append(ruling)
                elif path not in self._paths:
                    self._paths.append(path)
        return tuple(denied) or (allow(_NAME, f"{_counted(targets)} held by this run alone"),)

    def release(self) -> None:
        """Let go of all of them; can be called again."""
        with _guarded:
            for path in self._paths:
                held = _ours[path]
                held.users -= 1
                if not held.users:
                    with suppress(OSError):  # the place may be full or gone: an empty file there is no lock
                        path.unlink()
                    os.close(_ours.pop(path).handle)
            self._paths.clear()

    def _take(self, path: Path, name: str) -> Ruling | None:
        if path not in _ours:
            handle = _locked(path)
            if handle is None:
                return _refusal(path, name)
            _write(handle, Holder(self._owner, self._what, clock()))
            _ours[path] = _Held(path, handle)
        _ours[path].users += 1
        return None


def holder(identity: str) -> Holder | None:
    """Return the other process that has the target of that identity; None where none has it, or this one does."""
    path = _path(identity)
    if path in _ours:
        return None
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(handle)
    return None


def rule(targets: Mapping[str, str]) -> tuple[Ruling, ...]:
    """Return whether targets, given as names by identity, could be had now; takes none."""
    denied = [_refusal(_path(identity), name) for identity, name in targets.items() if holder(identity)]
    return tuple(denied) or (allow(_NAME, f"{_counted(targets)} in nobody's use"),)


def _refusal(path: Path, name: str) -> Ruling:
    held = _read(path)
    return deny(
        _NAME,
        f"{name} is in use by {held.owner} since {iso(held.since)}: {held.what}.",
        "Wait until that has ended, or stop it where it runs; `chaosctl halt` stops everything.",
    )


def _locked(path: Path) -> int | None:
    """Return the descriptor of a lock that was free; None where another process has it.

    Whoever lets go of a lock removes its file, so that the file found locked may be one that is no longer there. Who
    only asks about a lock has it for a moment, so that a few tries are made.
    """
    tries = 0
    while tries < _TRIES:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(path.parent, error, "The folder of locks") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            tries += 1
            threading.Event().wait(_PAUSE)
            continue
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)
    return None


def _write(handle: int, held: Holder) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, json.dumps(held).encode(), 0)


def _read(path: Path) -> Holder:
    """Return what a lock says of who has it; that is written just after it was taken."""
    limit = clock() + 1.0
    while clock() < limit:
        with suppress(OSError, ValueError, TypeError):
            return Holder(*json.loads(path.read_text()))
        threading.Event().wait(0.01)
    return Holder("another process", "it has not said what it does", clock())


def _counted(targets: Iterable[str]) -> str:
    names = list(targets)
    return f"{len(names)} target{'s' * (len(names) != 1)}"


def key(identity: str) -> str:
    """Return what a target goes by; pods and nodes by their UID, which is all that faults by the API know of them."""
    words = [word for word in identity.split() if word.startswith(("pod:", "node:"))]
    return words[-1] if words else identity


def _path(identity: str) -> Path:
    return state_dir() / "in-use" / f"{hashlib.sha256(key(identity).encode()).hexdigest()[:24]}.lock"
