"""What was done and how to undo it, on disk before it is done.

One file per fault, locked while commands that change its targets are under way. The lock's descriptor is handed to
those commands: after SIGKILL of the runner a command still in flight keeps the lock, and `recover` waits for it.
"""

import json
import os
import re
import secrets
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

from runner.entry import ALPHABET, LENGTH, Entry, Site, clusters, parsed, written
from runner.errors import ChaosctlError, CommandFailed, Gone, Missing, Residue, UsageError
from runner.holding import undoing
from runner.lock import held, hold, unwritable
from runner.model import Check, State, clock
from runner.paths import state_dir
from runner.targets import Marked, Target, is_same, reach

__all__ = [
    "Entry",
    "Site",
    "busy",
    "close",
    "damaged",
    "entries",
    "find",
    "give_up",
    "locked",
    "new_id",
    "state",
    "undo",
    "undo_at",
    "write",
]

_UNDOING = 30.0
"""Seconds that each command may take: nothing is more worth waiting for, also where the machine is busy."""
_KEPT = 30 * 86400.0
_CLOSED = ".closed"
"""What a closed entry's file ends with, so that looking for open ones reads none of a month's closed ones."""


def new_id() -> str:
    """Return a fault id that is also part of an nft identifier: eight letters and digits that cannot be misread."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def write(entry: Entry) -> None:
    """Put the entry where it is kept, durably and whole, before this returns; raises Missing where that cannot be.

    That is on disk here, and for targets in a cluster there too: who recovers may have another disk.
    """
    if not entry.closed and clusters(entry):
        from runner import shared_ledger  # noqa: PLC0415 - half a second that only clusters need

        shared_ledger.note(entry)
    _write(entry)


def _write(entry: Entry) -> None:
    path = _path(entry.id)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w") as file:
            file.write(json.dumps(written(entry), separators=(",", ":")))  # many times as quick as `dump`
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise unwritable(path.parent, error) from error


def close(entry: Entry) -> None:
    """Note that nothing of the fault is left; closed entries stay for a month, so that undoing twice can say so."""
    if clusters(entry):
        from runner import shared_ledger  # noqa: PLC0415

        shared_ledger.forget(entry)
    _close_here(entry)


def give_up(entry: Entry) -> None:
    """Close an entry here without undoing it, because somebody knows that its targets are gone for good.

    Raises Residue where one of them answers and still has something of it.
    """
    with locked(entry.id):
        left = [site.target for site in entry.sites if _answers_with(site)]
        if left:
            raise Residue(
                f"{left[0]} is not gone: something of fault {entry.id} ({entry.fault}) is there.",
                f"chaosctl recover {entry.id}",
            )
        _close_here(entry)


def _answers_with(site: Site) -> bool:
    try:
        at = reach(site.target)
        return at.stands(site.identity) if isinstance(at, Marked) else state(site) is not State.ABSENT
    except ChaosctlError:
        return False  # it is said to be gone, and so it does not answer


def _close_here(entry: Entry) -> None:
    try:
        write(replace(entry, closed=clock()))
    except Missing as error:
        raise Missing(
            f"Fault {entry.id} ({entry.fault}) was undone, but stays listed: {_directory()} cannot be written.",
            f"{error.fix} Then: chaosctl recover {entry.id}",
        ) from error
    path = _path(entry.id)
    with suppress(OSError):  # it says of itself that it is closed: under its own name, looking for open ones is cheaper
        path.rename(path.with_suffix(_CLOSED))
    for old in _files(".json", _CLOSED):
        with suppress(ChaosctlError, FileNotFoundError):  # damaged, or removed by another process meanwhile
            if old.stat().st_mtime < clock() - _KEPT and _read(old).closed:
                old.unlink()
                old.with_suffix(".lock").unlink(missing_ok=True)


def entries() -> tuple[Entry, ...]:
    """Return the open entries, oldest first; files that cannot be read are told by `damaged`.

    Raises Missing where this user may not look: that is not the same as finding nothing.
    """
    found = []
    for path in _files():
        with suppress(_Damaged, FileNotFoundError):
            found.append(_read(path))
    return tuple(sorted((entry for entry in found if not entry.closed), key=lambda entry: entry.started))


def damaged() -> tuple[ChaosctlError, ...]:
    """Return an error for each file of the ledger that is no entry, or only half of one."""
    found = []
    for path in _files():
        try:
            _read(path)
        except _Damaged as error:
            found.append(error)
        except FileNotFoundError:
            continue
    return tuple(found)


def find(fault_id: str) -> Entry:
    """Return the entry of that id, open or closed; raises UsageError where there never was one."""
    if re.fullmatch(r"[a-z0-9]+", fault_id):
        for path in (_path(fault_id), _path(fault_id).with_suffix(_CLOSED)):
            with suppress(FileNotFoundError):
                return _read(path)
    raise UsageError(f"No fault {fault_id!r} is known here.", "`chaosctl faults` lists those that are.")


def locked(fault_id: str) -> AbstractContextManager[int]:
    """Hold the fault's lock, waiting for commands in flight; yields the descriptor to hand to commands."""
    return hold(fault_id, _path(fault_id).with_suffix(".lock"))


def busy(fault_id: str) -> bool:
    """Whether a command that changes the fault's targets is under way, or may yet be."""
    return held(_path(fault_id).with_suffix(".lock"))


def state(site: Site, patience: float = 10.0) -> State:
    """Return what of the fault is at its target now; a target that is gone took the fault with it.

    Each check may take so many seconds.
    """
    at = _same(site)
    if at is None:
        return State.ABSENT
    try:
        states = {_checked(at, check, patience) for check in site.steps.checks}
    except Gone:
        return State.ABSENT
    if State.LIVE in states:
        return State.LIVE
    return State.ABSENT if states <= {State.ABSENT} else State.INERT


def undo(entry: Entry) -> None:
    """Undo the fault at all its targets, see that it is gone, and close the entry; can be repeated and interrupted.

    Raises Residue that names each target where it could not be undone, after trying all of them.
    """
    with locked(entry.id) as handle:
        failures = [failure for site in entry.sites if (failure := _undone(site, handle))]
        if failures:
            raise Residue(
                f"Fault {entry.id} ({entry.fault}) could not be undone: {'; '.join(failures)}",
                f"Once that is mended: chaosctl recover {entry.id}",
            )
        close(entry)


def undo_at(entry: Entry, site: Site) -> None:
    """Undo the fault at one of its targets and see that it is gone there; raises Residue where that cannot be done."""
    with locked(entry.id) as handle:
        if failure := _undone(site, handle):
            raise Residue(
                f"Fault {entry.id} ({entry.fault}) could not be undone: {failure}",
                f"Once that is mended: chaosctl recover {entry.id}",
            )


@undoing()
def _undone(site: Site, handle: int) -> str:
    """Undo one site and return why that failed, or nothing."""
    try:
        at = _same(site)
        if at is not None:
            for command in site.steps.undo:
                at.run(command, timeout=_UNDOING, pass_fds=(handle,))
            left = state(site, _UNDOING)
            return f"{site.target} is still {left}" if left is not State.ABSENT else ""
    except Gone:
        return ""  # it went away meanwhile, and took the fault with it
    except ChaosctlError as error:
        return f"{site.target}: {error.message}"
    return ""


def _same(site: Site) -> Target | None:
    """Return the target if it is still the one the fault was put into, or None.

    One that merely does not answer may still have the fault.
    """
    at = reach(site.target)
    try:
        return at if is_same(at, site.identity) else None
    except Gone:
        return None


def _checked(at: Target, check: Check, patience: float) -> State:
    try:
        output = at.run(check.command, timeout=patience)
    except CommandFailed as error:
        if re.search(check.absent, error.stderr):
            return State.ABSENT
        raise
    return State.LIVE if re.search(check.live, output) else State.INERT


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _directory() -> Path:
    return state_dir() / "ledger"


def _path(fault_id: str) -> Path:
    return _directory() / f"{fault_id}.json"


def _files(*suffixes: str) -> list[Path]:
    """Return the files of open entries; a glob would take a directory that may not be read for an empty one."""
    try:
        return sorted(path for path in _directory().iterdir() if path.suffix in (suffixes or (".json",)))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Missing(
            f"The ledger {_directory()} cannot be read: {error.strerror}. What is live is not known.",
            "Run it as the user who injected; for root: sudo.",
        ) from error


class _Damaged(ChaosctlError):
    """A file of the ledger that is no entry."""


def _read(path: Path) -> Entry:
    """Return the entry in a file; raises _Damaged, or FileNotFoundError where it went away."""
    try:
        return parsed(path.read_text())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _Damaged(
            f"The ledger's file {path} is damaged ({type(error).__name__}): which fault it noted is not known.",
            "Faults end by themselves at their deadline. Undo what `chaosctl faults` lists, then remove the file.",
        ) from error
