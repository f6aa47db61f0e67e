"""What all that a guardian can do shares; the standard library alone, as Python 3.9 knows it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM}
"""What ends a fault: somebody who asks for it, and the alarm at its deadline."""


class Failed(Exception):
    """Why it cannot be done."""


def text(path: str | Path) -> str:
    """Return what a file says, nothing where it is not there."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def started(pid: int | str) -> list[str]:
    """Return what tells a process from a later one of the same number: its start in clock ticks since boot."""
    return text(f"/proc/{pid}/stat").rpartition(")")[2].split()[19:20]


class Kind:
    """One way to do a fault; `told` is what was asked for, and takes up what is needed to undo it without us."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told

    def prepare(self) -> None:
        """Find out what is needed to undo it, which is noted before it begins; raises Failed."""

    def begin(self) -> None:
        """Do it; raises Failed or OSError."""
        raise NotImplementedError

    def watch(self) -> str:
        """Return why it is over before its time, nothing while it goes on."""
        return ""

    def end(self) -> None:
        """Undo it; can be repeated, and by another guardian than the one that began."""
        raise NotImplementedError

    def acts(self) -> bool:
        """Whether it acts, by what the kernel shows, though its guardian is dead."""
        raise NotImplementedError

    def hits(self) -> int:
        """Return how often the workload met it; asked after the end, so that nothing delays that."""
        raise NotImplementedError


def pids() -> list[str]:
    """Return the numbers of all processes."""
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
