"""Faults that a guardian does and ends: a process of its own at the target, which outlives everything of ours.

Pure: text, commands and patterns, no I/O at targets. What is noted of a fault lies there, in /run/chaosctl, with the
program that ends it, so that undoing needs neither this code nor its version.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runner.entry import IN_CLUSTERS
from runner.errors import Missing
from runner.model import Check, Command, Count, Steps, clock
from runner.paths import run_dir

__all__ = ["Found", "check", "found", "listing", "removal", "steps"]

_PARTS = "ground", "processes", "child", "fill", "setting", "guardian"
_BOOT = "import json, sys; told = json.load(sys.stdin); exec(told['program'], {'__name__': '__main__', 'TOLD': told})"
_ENDING = '[ ! -e "$1" ] || exec python3 -I "$1" end'
_LISTING = (
    'for file in "$1"/*.json; do [ ! -e "$file" ] || { name=${file##*/}; printf "%s " "${name%.json}"; '
    "tr -d '\\n' < \"$file\"; echo; }; done"
)


class Found(NamedTuple):
    """A fault found by its guardian's notes alone; the deadline is seconds since the epoch.

    Of one whose note is damaged only the id is known: its target is empty and its deadline 0.
    """

    id: str
    fault: str
    target: str
    deadline: float


def steps(fault_id: str, fault: str, target: str, seconds: float, kind: str, work: Mapping[str, Any]) -> Steps:
    """Return how a guardian does a fault: `kind` is one of the files here, `work` what it takes.

    `seconds` of 0 means that it is over as soon as it is done. Raises Missing for targets in a cluster: a guardian
    there would be part of a pod of ours, and die with the runner.
    """
    if target.partition(":")[0] in IN_CLUSTERS:
        raise Missing(
            f"{fault} cannot be had at {target}: what ends it is a process beside it that outlives the runner, and in "
            "a cluster that would be part of a pod that does not.",
            "Reach the machine itself by ssh:HOST, or choose a fault that the kernel or the API server ends.",
        )
    told = {
        "id": fault_id,
        "place": str(run_dir()),
        "fault": fault,
        "target": target,
        "seconds": seconds,
        "deadline": clock() + seconds,
        "kind": kind,
        "work": work,
        "program": _program(),
    }
    return Steps(
        inject=(Command(("python3", "-I", "-c", _BOOT, "arm"), json.dumps(told)),),
        undo=removal(fault_id),
        checks=(check(fault_id),),
        count=Count(_call(fault_id, "count"), r"hits (\d+)"),
    )


def removal(fault_id: str) -> tuple[Command, ...]:
    """Return the command that ends the fault and removes all of it, whatever is there."""
    return (Command(("sh", "-c", _ENDING, "sh", _path(fault_id))),)


def check(fault_id: str) -> Check:
    """Return the check of a fault: live while its guardian is at it, or while it acts without one."""
    return Check(_call(fault_id, "state"), live=r"^live", absent=r"No such file or directory")


def listing() -> Command:
    """Return the command that prints each guarded fault at a target: a line with its id and its note, as JSON."""
    return Command(("sh", "-c", _LISTING, "sh", str(run_dir())))


def found(listing: str) -> tuple[Found, ...]:
    """Return the faults in the output of `listing`."""
    lines = [line.partition(" ") for line in listing.splitlines() if line.strip()]
    return tuple(_noted(fault_id, note) for fault_id, _, note in lines)


def _noted(fault_id: str, note: str) -> Found:
    try:
        told = json.loads(note)
        return Found(fault_id, str(told["fault"]), str(told["target"]), float(told.get("until", told["deadline"])))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Found(fault_id, f"a fault whose note {run_dir()}/{fault_id}.json is damaged", "", 0.0)


def _call(fault_id: str, what: str) -> Command:
    return Command(("python3", "-I", _path(fault_id), what))


def _path(fault_id: str) -> str:
    return f"{run_dir()}/{fault_id}.py"


def _program() -> str:
    """Return all of it as one file, without what makes it a part of this one."""
    sources = [(Path(__file__).parent / f"{part}.py").read_text() for part in _PARTS]
    lines = [line for source in sources for line in source.splitlines() if not line.startswith("from runner.")]
    future = "from __future__ import annotations"
    return "\n".join([future, *(line for line in lines if line != future)]) + "\n"
