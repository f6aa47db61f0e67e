"""Processes, as `ps` shows them at a target: the proof of process-stop and process-kill."""

from runner.model import Look, Sight, clock
from runner.processes import Process, at, chosen
from runner.targets import Target

__all__ = ["killed", "stopped"]

_STOPPED, _ENDED = "T", "Z"
_Seen = tuple[Sight, str]


def stopped(where: Target, before: Look | None, name: str, matching: str = "") -> Look:
    """Return whether the processes that ran before are stopped: PRESENT where all are, ABSENT where none of a kind is.

    One that ended meanwhile was replaced by whoever looks after it, or not: without one that runs it is UNCLEAR.
    """
    asked = clock()
    if before is None:
        return _first(where, asked, name, matching)
    now = {process.pid: process for process in _matching(where, name, matching)}
    meant = [now[pid] for pid in before.evidence["pids"] if pid in now]
    halted = [process.pid for process in now.values() if process.state == _STOPPED]
    if meant and len(meant) == len(before.evidence["pids"]) and all(process.pid in halted for process in meant):
        return Look(asked, clock(), Sight.PRESENT, f"{_listed(name, halted)} stopped")
    if now and not halted:
        return Look(asked, clock(), Sight.ABSENT, f"{_listed(name, list(now))} not stopped")
    told = f"{len(halted)} of {len(now)} {name} are stopped, and {len(before.evidence['pids'])} ran before"
    return Look(asked, clock(), Sight.UNCLEAR, told)


def killed(where: Target, before: Look | None, name: str, matching: str = "", after: bool = False) -> Look:
    """Return whether the processes that ran are gone, PRESENT; `after` asks for as many in their place, ABSENT."""
    asked = clock()
    if before is None:
        return _first(where, asked, name, matching)
    now = [process.pid for process in _matching(where, name, matching)]
    left = [pid for pid in before.evidence["pids"] if pid in now]
    wanted = len(before.evidence["pids"])
    if left:
        sight = Sight.ABSENT if len(left) == wanted and not after else Sight.UNCLEAR
        return Look(asked, clock(), sight, f"{_listed(name, left)} still there")
    if after and len(now) >= wanted:
        return Look(asked, clock(), Sight.ABSENT, f"{_listed(name, now)} there in place of {wanted} that were killed")
    told = f"all {wanted} {name} that ran before are gone, {len(now)} run in their place"
    return Look(asked, clock(), Sight.PRESENT, told)


def _first(where: Target, asked: float, name: str, matching: str) -> Look:
    found = chosen(where, name, matching)
    pids = [process.pid for process in found if process.state != _ENDED]
    halted = [process.pid for process in found if process.state == _STOPPED]
    if halted:
        return Look(asked, clock(), Sight.UNCLEAR, f"{_listed(name, halted)} stopped even without the fault")
    return Look(asked, clock(), Sight.ABSENT, f"{_listed(name, pids)} there", {"pids": pids})


def _matching(where: Target, name: str, matching: str) -> list[Process]:
    return [p for p in at(where) if p.name == name and matching in p.line and p.state != _ENDED]


def _listed(name: str, pids: list[int]) -> str:
    numbers = ", ".join(map(str, sorted(pids)[:5])) + (f" and {len(pids) - 5} more" if pids[5:] else "")
    return f"{name} {numbers} {'is' if len(pids) == 1 else 'are'}"
