"""Room on a file system."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

from runner.guarding.ground import SIGNALS, Failed, Kind, pids, started, text


class Fill(Kind):
    """Takes a file system's space by a file without a name: the kernel gives it back when its guardian is gone."""

    def __init__(self, told: dict[str, Any]) -> None:
        super().__init__(told)
        self.handle = -1
        self.device = 0
        self.before: dict[tuple[str, ...], int] = {}

    def begin(self) -> None:
        try:
            self.handle = os.open(self.told["path"], os.O_TMPFILE | os.O_RDWR, 0o600)
        except OSError as error:
            raise Failed(f"{self.told['path']} takes no file without a name: {error.strerror}") from error
        self.device = os.fstat(self.handle).st_dev
        self.before = self._writers()
        size, piece = 0, 1 << 30
        while piece >= 4096 and not signal.sigpending() & SIGNALS:
            room = min(piece, self._room() - self.told["leave"])
            if room < 4096:
                break
            try:
                os.posix_fallocate(self.handle, size, room)
                size += room
            except OSError:
                piece //= 2
        if not size:
            raise Failed("there is no more room there than is to be left")

    def _room(self) -> int:
        seen = os.fstatvfs(self.handle)
        return seen.f_bavail * seen.f_frsize

    def end(self) -> None:
        if self.handle >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self.handle, 0)
            os.close(self.handle)
            self.handle = -1

    def acts(self) -> bool:
        return False

    def hits(self) -> int:
        """Return the write calls of those who have files open there."""
        after = self._writers()
        return sum(after[key] - self.before[key] for key in after if key in self.before)

    def _writers(self) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        for pid in pids():
            if int(pid) != os.getpid() and _opens(pid, self.device):
                calls = text(f"/proc/{pid}/io").partition("syscw:")[2].split()
                found[pid, *started(pid)] = int(calls[0]) if calls else 0
        return found


def _opens(pid: str, device: int) -> bool:
    with contextlib.suppress(OSError):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if handle.stat().st_dev == device:
                    return True
    return False
