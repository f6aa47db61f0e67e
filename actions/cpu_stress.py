"""cpu-stress: something else wants the processors, beside a workload or on the whole machine.

Breaks: busy processes run in the cgroup of a process, under the same quota and weight, or at the root of all cgroups.
Heals: at the deadline a guardian at the target kills them. They die with their guardian, by the kernel, and none can
use more processor time than the fault lasts.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from actions import _stress
from runner import guarding
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import Command, EndsBy, ProbeCall, Steps
from runner.parameters import Percent
from runner.targets import Target

__all__ = ["CpuStress", "cpu_stress"]


@dataclass(frozen=True)
class CpuStress(Fault):
    """Keep processors busy."""

    process: Annotated[str, "run in the cgroup of this program's process; absent: on the whole machine"] = ""
    matching: Annotated[str, "only a process with this text in its command line"] = ""
    workers: Annotated[int, "how many processors to keep busy; absent: all"] = 0
    load: Annotated[Percent, "how busy each of them is kept; absent: 100%"] = 100.0

    name: ClassVar = "cpu-stress"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = "stress-ng in the target's cgroup, the child of a guardian"
    needs: ClassVar = ("python3", "stress-ng", "ps")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        where = _stress.spoken(self.process, who)
        return f"{where} has {self.workers or 'all'} processors kept {self.load:g}% busy"

    def proof(self, at: Target) -> ProbeCall:
        """Return the look at the cgroup's own accounting."""
        cgroup = _stress.place(at, self.process, self.matching)
        file = cgroup.file("cpuacct", "cpuacct.usage", "cpu.stat") if self.process else "/proc/stat"
        demand = min(self._workers(at) * self.load / 100, cgroup.processors)
        return ProbeCall("probes.pressure:cpu", {"file": file, "demand": demand})

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the guardian with its stress-ng."""
        cgroup = _stress.place(at, self.process, self.matching)
        longest = math.ceil(seconds) + 2
        argv = ["stress-ng", "--quiet", "--cpu", str(self._workers(at)), "--cpu-load", f"{self.load:g}"]
        work = _stress.work(at, cgroup, [*argv, "--timeout", str(longest)], self.process, "switches")
        work["limits"] = {"RLIMIT_CPU": longest}
        return guarding.steps(fault_id, self.name, at.name, seconds, "child", work)

    def _workers(self, at: Target) -> int:
        return self.workers or int(at.run(Command(("nproc",))))


cpu_stress = action(CpuStress)
