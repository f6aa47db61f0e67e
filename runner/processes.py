"""The processes of a target: those in its network namespace, as `ps` shows them; to choose them and to look at them."""

import re
from dataclasses import dataclass

from runner.errors import Inconclusive
from runner.model import Command
from runner.targets import Target

__all__ = ["Process", "at", "chosen"]

_COLUMNS = "pid=,ppid=,netns=,state=,args="
_GUARDIAN = re.compile(r"/[a-z0-9]{8}\.py guard$")
_NETWORK = Command(("readlink", "/proc/self/ns/net"))


@dataclass(frozen=True)
class Process:
    """One process: `state` as ps writes it (T is stopped, Z ended), `line` its whole command line."""

    pid: int
    parent: int
    state: str
    line: str

    @property
    def name(self) -> str:
        """The name of its program: `redis-server` of `/usr/bin/redis-server *:6379`, `nginx` of `nginx: worker`."""
        return self.line.split()[0].rpartition("/")[2].rstrip(":") if self.line else ""


def at(target: Target) -> list[Process]:
    """Return the processes in the target's network namespace, without those that look or guard."""
    network = target.run(_NETWORK).strip().partition("[")[2].rstrip("]")
    listed = [_process(line) for line in target.run(Command(("ps", "-ww", "-e", "-o", _COLUMNS))).splitlines()]
    everybody = {process.pid: process for process, _ in listed}
    ours = _ancestry(everybody)
    return [
        process
        for process, where in listed
        if where == network and process.pid not in ours and process.pid > 2 and not _GUARDIAN.search(process.line)
    ]


def chosen(target: Target, name: str, matching: str) -> list[Process]:
    """Return the processes of a program at a target; raises Inconclusive where there is none."""
    found = [process for process in at(target) if process.name == name and matching in process.line]
    if not found:
        others = sorted({process.name for process in at(target)})[:12]
        with_it = f" with {matching!r} in its command line" if matching else ""
        raise Inconclusive(
            f"No process {name!r}{with_it} runs at {target.name}: nothing was touched.",
            f"Running there: {', '.join(others) or 'nothing'}.",
        )
    return found


def _process(line: str) -> tuple[Process, str]:
    pid, parent, network, state, *command = line.split(None, 4)
    return Process(int(pid), int(parent), state, "".join(command).strip()), network


def _ancestry(everybody: dict[int, Process]) -> set[int]:
    """Return the `ps` that told, and those it descends from: the runner, or the session it came by."""
    teller = next((p for p in everybody.values() if p.name == "ps" and _COLUMNS in p.line), None)
    found = set()
    while teller and teller.pid not in found:
        found.add(teller.pid)
        teller = everybody.get(teller.parent)
    return found
