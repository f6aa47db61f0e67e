"""What can go wrong, and the exit code each kind ends with.

    ChaosctlError                4   a bug, or something unforeseen
    ├── UsageError               2   a file, an option or a name that cannot be meant
    │   └── InvalidFile          2   the same, with file, line, field and what was expected
    ├── Inconclusive             3   nothing can be concluded: no target, no proof, no data
    ├── Missing                  4   a tool, a privilege or a kernel feature is not there
    ├── Unreachable              4   a backend did not answer
    │   ├── Gone                 4   a target is not there any more, and took what was in it along
    │   └── NoProcess            4   a pod has no process on its node: it ended, or has not started
    ├── CommandFailed            4   a command at a target failed
    ├── Refused                  5   a guardrail said no before anything was written
    ├── Aborted                  5   a guardrail or a person stopped what was running
    └── Residue                  6   something could not be undone

A message is one paragraph: what happened, to which target, by which command. `fix` says what to do now.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

__all__ = [
    "Aborted",
    "ChaosctlError",
    "CommandFailed",
    "Gone",
    "Inconclusive",
    "InvalidFile",
    "Missing",
    "NoProcess",
    "Refused",
    "Residue",
    "Unreachable",
    "UsageError",
    "in_one_line",
]


class ChaosctlError(Exception):
    """An error that a person can act on; `rulings` are the guardrails' decisions that led to it."""

    exit_code: ClassVar[int] = 4
    rulings: Sequence[Any] = ()

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class UsageError(ChaosctlError):
    """Something was asked for that cannot be meant."""

    exit_code = 2


class InvalidFile(UsageError):
    """A file does not say what it should; `where` is `file:line`, `field` a dotted path."""

    def __init__(self, where: str, field: str, expected: str, fix: str = "") -> None:
        super().__init__(f"{where}: {field}: {expected}", fix)
        self.where = where
        self.field = field
        self.expected = expected

    @property
    def place(self) -> tuple[str, int]:
        """The file and the line in it; 0 where the file as a whole is meant."""
        file, _, line = self.where.rpartition(":")
        return (file, int(line)) if file and line.isdigit() else (self.where, 0)


class Inconclusive(ChaosctlError):
    """Nothing can be concluded from what was seen."""

    exit_code = 3


class Missing(ChaosctlError):
    """A tool, a privilege or a kernel feature that is needed is not there."""


class Unreachable(ChaosctlError):
    """A backend that is needed did not answer."""


class Gone(Unreachable):
    """A target is not there any more, and nothing that was in it is left."""


class NoProcess(Unreachable):
    """A pod has no process on its node, as seen there: it ended, or none of its containers has started."""


class Refused(ChaosctlError):
    """A guardrail said no, and nothing was touched."""

    exit_code = 5


class Aborted(ChaosctlError):
    """A guardrail or a person stopped what was running; it was undone."""

    exit_code = 5


class Residue(ChaosctlError):
    """Something could not be undone."""

    exit_code = 6


def in_one_line(stderr: str) -> str:
    """Return what a tool printed as part of a paragraph, without the lines in which it points at things above."""
    return " ".join(line.strip() for line in stderr.splitlines() if line.strip(" \t^~"))


class CommandFailed(ChaosctlError):
    """A command at a target ended with an error, or did not end in time."""

    def __init__(self, target: str, argv: Sequence[str], status: int | str, stderr: str, fix: str = "") -> None:
        tail = in_one_line(stderr)[-400:] or "it printed no error"
        super().__init__(f"`{' '.join(argv)}` at {target} ended with {status}: {tail.rstrip('.')}.", fix)
        self.target = target
        self.argv = tuple(argv)
        self.status = status
        self.stderr = stderr
