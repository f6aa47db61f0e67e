"""What a guardrail decided."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.errors import ChaosctlError, Refused, Residue
from runner.model import clock

__all__ = ["Ruling", "allow", "deny", "enforce"]


@dataclass(frozen=True)
class Ruling:
    """One decision; `at` in seconds since the epoch, `fix` what to do about a no, `residue` whether that is why."""

    at: float
    guardrail: str
    allowed: bool
    reason: str
    fix: str = ""
    residue: bool = False

    def account(self) -> dict[str, Any]:
        """Return it in the shape of reports.record.Decision."""
        return {"at": self.at, "guardrail": self.guardrail, "allowed": self.allowed, "reason": self.reason}

    def error(self) -> ChaosctlError:
        """Return a no as the error that ends the command."""
        return (Residue if self.residue else Refused)(self.reason, self.fix)


def allow(guardrail: str, reason: str) -> Ruling:
    """Return a yes, and why."""
    return Ruling(clock(), guardrail, True, reason)


def deny(guardrail: str, reason: str, fix: str, residue: bool = False) -> Ruling:
    """Return a no, why, and what to do about it."""
    return Ruling(clock(), guardrail, False, reason, fix, residue)


def enforce(rulings: Iterable[Ruling]) -> tuple[Ruling, ...]:
    """Return the rulings where all of them allow it; raises Refused, or Residue, for the first that does not."""
    kept = tuple(rulings)
    for ruling in kept:
        if not ruling.allowed:
            error = ruling.error()
            error.rulings = kept
            raise error
    return kept
