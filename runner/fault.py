"""What every file in actions/ declares: a fault's parameters, steps, proof and what ends it."""

from abc import ABC, abstractmethod
from typing import ClassVar

from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["Fault"]


class Fault(ABC):
    """A named kind of failure; subclasses are frozen dataclasses whose fields are its parameters (runner.parameters).

    `name` is the word on the command line, in experiments, ledger, record and docs: the file's name with hyphens.
    """

    name: ClassVar[str]
    ends_by: ClassVar[EndsBy]
    mechanism: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def sentence(self, who: str) -> str:
        """Return what happens to whom, for plans, proofs and reports: `3 hosts in payment cannot resolve x`."""

    @abstractmethod
    def proof(self, at: Target) -> ProbeCall:
        """Return the independent probe that shows this fault at a target: a function of (at, before, **arguments)."""

    @abstractmethod
    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return what to do at a target for that long; writes nothing, raises Missing where it cannot be had."""
