"""memory-stress: memory is taken, beside a workload or from the whole machine.

Breaks: a process holds that much memory in the cgroup of another, or at the root of all cgroups. Heals: at the deadline
a guardian at the target kills it, and earlier where the machine runs short. It dies with its guardian, by the kernel,
and is the first that the kernel kills for want of memory.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from actions import _stress
from runner import guarding
from runner.cgroups import Cgroup
from runner.errors import Refused
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps, format_size
from runner.parameters import Size
from runner.targets import Target

__all__ = ["MemoryStress", "memory_stress"]

_OVERHEAD = 32 << 20


@dataclass(frozen=True)
class MemoryStress(Fault):
    """Hold memory."""

    amount: Annotated[Size, "how much memory is held: 512MiB"]
    process: Annotated[str, "hold it in the cgroup of this program's process; absent: on the whole machine"] = ""
    matching: Annotated[str, "only a process with this text in its command line"] = ""

    name: ClassVar = "memory-stress"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = "stress-ng in the target's cgroup, the child of a guardian"
    needs: ClassVar = ("python3", "stress-ng", "ps")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        where = _stress.spoken(self.process, who)
        return f"{where} has {format_size(self.amount)} of memory taken"

    def proof(self, at: Target) -> ProbeCall:
        """Return the look at the cgroup's own accounting."""
        cgroup = _stress.place(at, self.process, self.matching)
        file = cgroup.file("memory", "memory.usage_in_bytes", "memory.current") if self.process else "/proc/meminfo"
        return ProbeCall("probes.pressure:memory", {"file": file, "amount": self.amount})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the guardian with its stress-ng; raises Refused where that much memory is not to be had safely."""
        cgroup = _stress.place(at, self.process, self.matching)
        self._refuse(at, cgroup)
        argv = ["stress-ng", "--quiet", "--oomable", "--vm", "1", "--vm-bytes", f"{self.amount}b", "--vm-keep"]
        argv += ["--vm-populate", "--vm-hang", "0", "--timeout", str(math.ceil(seconds) + 2)]
        work = _stress.work(at, cgroup, argv, self.process, "faults")
        work["memory"] = self.amount
        return guarding.steps(fault_id, self.name, at.name, seconds, "child", work)

    def _refuse(self, at: Target, cgroup: Cgroup) -> None:
        free, kept = _stress.reserve(at)
        if self.amount + kept > free:
            raise Refused(
                f"{format_size(self.amount)} would leave {at.name} less than {format_size(kept)} of memory: "
                f"it has {format_size(free)} to spare. Nothing was touched.",
                "Ask for less: a machine without memory cannot even be healed.",
            )
        if self.process and self.amount + _OVERHEAD > cgroup.memory:
            raise Refused(
                f"The cgroup of {self.process} at {at.name} may take {format_size(max(0, cgroup.memory))} more, and "
                f"{format_size(self.amount)} would have its processes killed. Nothing was touched.",
                "Ask for less; to see them killed, use process-kill.",
            )


memory_stress = action(MemoryStress)
