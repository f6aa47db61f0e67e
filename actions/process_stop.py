"""process-stop: processes stand still at their targets, and go on where they were.

Breaks: every process of that name in the target's network namespace is stopped (SIGSTOP); its connections stay open
and nobody answers on them. Heals: at the deadline a guardian at the target lets them go on (SIGCONT), whatever has
become of us. Processes that start meanwhile are not touched.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from runner import guarding, processes
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["ProcessStop", "process_stop"]


@dataclass(frozen=True)
class ProcessStop(Fault):
    """Stop processes for a while."""

    process: Annotated[str, "the name of the program whose processes stop: redis-server"]
    matching: Annotated[str, "only those with this text in their command line"] = ""

    name: ClassVar = "process-stop"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = "SIGSTOP by pidfd; a guardian at the target sends SIGCONT"
    needs: ClassVar = ("python3", "ps", "CAP_KILL")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{self.process} stands still at {who}"

    def proof(self, at: Target) -> ProbeCall:  # noqa: ARG002 - the same everywhere
        """Return the look at their states."""
        return ProbeCall("probes.processes:stopped", {"name": self.process, "matching": self.matching})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the guardian; raises Inconclusive where no such process runs."""
        meant = [(process.pid, process.line) for process in processes.chosen(at, self.process, self.matching)]
        work = {"processes": meant, "begin": "SIGSTOP", "end": "SIGCONT"}
        return guarding.steps(fault_id, self.name, at.name, seconds, "processes", work)


process_stop = action(ProcessStop)
