"""What guardrails that come before a fault decide on."""

from dataclasses import dataclass, field

from runner.config import Chosen
from runner.limits import Guardrails
from runner.model import clock
from runner.selection import Selected

__all__ = ["Proposal"]


@dataclass(frozen=True)
class Proposal:
    """A fault for certain targets, from `at` (seconds since the epoch) for so many seconds."""

    chosen: Chosen
    selected: Selected
    seconds: float
    at: float = field(default_factory=clock)

    @property
    def limits(self) -> Guardrails:
        """What the environment allows."""
        return self.chosen.environment.guardrails
