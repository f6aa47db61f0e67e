"""process-kill: processes are killed at their targets, and others have to come in their place.

Breaks: every process of that name in the target's network namespace is killed (SIGKILL, or another signal). Heals:
nothing of ours does; whoever looks after them, such as systemd, starts new ones. `--duration` is how long it may take.
"""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

from runner import guarding, processes
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["ProcessKill", "process_kill"]


@dataclass(frozen=True)
class ProcessKill(Fault):
    """Kill processes once."""

    process: Annotated[str, "the name of the program whose processes are killed: redis-server"]
    matching: Annotated[str, "only those with this text in their command line"] = ""
    signal: Annotated[Literal["KILL", "TERM", "ABRT", "SEGV"], "what they are killed by"] = "KILL"

    name: ClassVar = "process-kill"
    ends_by: ClassVar = EndsBy.ONE_SHOT
    mechanism: ClassVar = "a signal by pidfd"
    needs: ClassVar = ("python3", "ps", "CAP_KILL")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{self.process} is killed at {who}"

    def proof(self, at: Target) -> ProbeCall:  # noqa: ARG002 - the same everywhere
        """Return the look for those that ran, and for those that came in their place."""
        return ProbeCall("probes.processes:killed", {"name": self.process, "matching": self.matching})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:  # noqa: ARG002 - it is over at once
        """Return the signal; raises Inconclusive where no such process runs."""
        meant = [(process.pid, process.line) for process in processes.chosen(at, self.process, self.matching)]
        work = {"processes": meant, "begin": f"SIG{self.signal}", "end": ""}
        made = guarding.steps(fault_id, self.name, at.name, 0.0, "processes", work)
        return replace(made, notes=("What comes in place of the killed is not ours to start.",))


process_kill = action(ProcessKill)
