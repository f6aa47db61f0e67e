"""Signals: to stop, to go on, to end."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from runner.guarding.ground import Failed, Kind, started, text


class Processes(Kind):
    """Signals processes, and only those that were meant: through descriptors that a recycled number cannot fool."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told)
        self.opened: dict[int, int] = {}
        self.waited = 0

    def prepare(self) -> None:
        for pid, line in self.told["processes"]:
            with contextlib.suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                if text(f"/proc/{pid}/cmdline").replace("\0", " ").split() == line.split():
                    self.opened[pid] = handle
        if not self.opened:
            raise Failed("none of these processes is there any more")
        self.told["seen"] = [[pid, started(pid)] for pid in self.opened]

    def begin(self) -> None:
        self._send(self.told["begin"])

    def _send(self, name: str) -> None:
        for handle in self.opened.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, getattr(signal, name))

    def watch(self) -> str:
        self.waited = max(self.waited, sum(len(_waiting(pid)) for pid in self.opened))
        return ""

    def end(self) -> None:
        self._reopen()
        if self.told["end"]:
            self._send(self.told["end"])

    def _reopen(self) -> None:
        """Find them again where another guardian began this."""
        for pid, start in self.told.get("seen", []):
            with contextlib.suppress(ProcessLookupError):
                if pid not in self.opened:
                    handle = os.pidfd_open(pid)
                    if started(pid) == start:
                        self.opened[pid] = handle

    def acts(self) -> bool:
        return any(
            started(pid) == start and text(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] == ["T"]
            for pid, start in self.told.get("seen", [])
        )

    def hits(self) -> int:
        """Return how many were killed, or how many sockets of those stopped have something waiting for them."""
        if not self.told["end"]:
            return len(self.opened)
        return self.waited


def _waiting(pid: int) -> set[str]:
    """Return the sockets of a process in which data or connections wait to be taken."""
    own: set[str] = set()
    with contextlib.suppress(OSError):
        own = {str(handle.readlink()) for handle in Path(f"/proc/{pid}/fd").iterdir()}
    found: set[str] = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        for line in text(f"/proc/{pid}/net/{table}").splitlines()[1:]:
            words = line.split()
            if int(words[4].partition(":")[2], 16) and f"socket:[{words[9]}]" in own:
                found.add(words[9])
    return found
