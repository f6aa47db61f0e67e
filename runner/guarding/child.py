"""A program that takes processor time or memory beside the workload."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
from pathlib import Path
from typing import Any

from runner.guarding.ground import SIGNALS, Failed, Kind, pids, started, text


class Child(Kind):
    """Runs a program in the target's cgroups; it dies with its guardian, by the kernel."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told)
        self.child: subprocess.Popen[bytes] | None = None
        self.before: dict[tuple[int, str], int] = {}

    def begin(self) -> None:
        self._spare()
        self.before = self._workload()
        library = ctypes.CDLL(None)
        library.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: what it leaves behind comes to us
        guardian = os.getpid()

        def enter() -> None:
            library.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            if os.getppid() != guardian:
                os._exit(1)
            for file in self.told["cgroups"]:
                Path(file).write_text("0")
            os.setpriority(os.PRIO_PROCESS, 0, 0)
            with contextlib.suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text("1000")
            for name, limit in self.told["limits"].items():
                resource.setrlimit(getattr(resource, name), (limit, limit))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

        self.child = subprocess.Popen(
            self.told["argv"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, cwd="/",
            preexec_fn=enter,  # noqa: PLW1509 - a guardian has one thread
        )  # fmt: skip
        self.told["child"] = [self.child.pid, started(self.child.pid)]

    def _spare(self) -> None:
        """Refuse what would leave the machine short of memory."""
        if _available() - self.told.get("memory", 0) < self.told["reserve"]:
            raise Failed("the machine has too little memory left for that")

    def watch(self) -> str:
        if self.child and self.child.poll() is not None:
            return f"its program ended by itself with {self.child.returncode}"
        if _available() < self.told["reserve"]:
            return "the machine ran short of memory"
        return ""

    def end(self) -> None:
        pid, start = self.told.get("child", [0, []])
        if pid and started(pid) == start:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        while self.child:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def acts(self) -> bool:
        pid, start = self.told.get("child", [0, []])
        return bool(pid) and started(pid) == start

    def hits(self) -> int:
        """Return how often the workload ran, or took memory, beside it."""
        after = self._workload()
        return sum(max(0, after[key] - self.before[key]) for key in after if key in self.before)

    def _workload(self) -> dict[tuple[int, str], int]:
        ours = {os.getpid(), self.child.pid if self.child else 0}
        members = text(self.told["members"]).split() if self.told["members"] else pids()
        counts: dict[tuple[int, str], int] = {}
        for pid in map(int, members):
            stat = text(f"/proc/{pid}/stat").rpartition(")")[2].split()
            if pid in ours or not stat or int(stat[3]) == (self.child.pid if self.child else -1):
                continue
            if not self.told["members"] and not _beside(pid, self.told["network"]):
                continue
            counts[pid, stat[19]] = sum(map(int, stat[7:11])) if self.told["counted"] == "faults" else _switches(pid)
        return counts


def _beside(pid: int, network: str) -> bool:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink()) == network
    except OSError:
        return False


def _switches(pid: int) -> int:
    lines = text(f"/proc/{pid}/status").splitlines()
    return sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)


def _available() -> int:
    words = text("/proc/meminfo").partition("MemAvailable:")[2].split()
    return int(words[0]) * 1024
