"""What every file in actions/ declares: a fault's parameters, steps, proof and what ends it."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Protocol

from runner import tables
from runner.config import Environment
from runner.errors import UsageError
from runner.model import Check, Command, EndsBy, Look, ProbeCall, Steps
from runner.targets import Known, Target

__all__ = ["Ending", "Fault", "Stage", "Try", "Watcher"]


@dataclass(frozen=True)
class Try:
    """A command that fails where a target cannot have `what`, and leaves nothing behind; `fix` says what to do then.

    `only` says for which way of a fault it is needed, where there are others.
    """

    what: str
    command: Command
    fix: str
    only: str = ""


class Ending(NamedTuple):
    """How a fault is undone at a target, and what says what is left of it."""

    undo: tuple[Command, ...]
    checks: tuple[Check, ...]


class Watcher(Protocol):
    """What looks all the while at one target, for faults that no single look can prove."""

    def open(self) -> None:
        """Begin; raises what says why it cannot."""

    def close(self) -> None:
        """End, and leave nothing behind; can be repeated."""

    def look(self, before: Look | None) -> Look:
        """Look at the effect as it is now; `before` is absent in the first look, without the fault."""

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return what was measured of what began between two moments, in seconds."""

    def achieved(self, since: float, until: float) -> Look:
        """Return what the fault came to from its beginning to its end: PRESENT where that is what was promised."""


@dataclass(frozen=True)
class Stage:
    """Where and how long a fault acts; times in seconds since the epoch. `over` is set when it has to stop.

    What goes wrong and does not end it is put into `errors`, for the record.
    """

    at: Target
    fault_id: str
    committed: float
    deadline: float
    over: threading.Event
    watcher: Watcher | None
    errors: list[str] = field(default_factory=list)


class Fault(ABC):
    """A named kind of failure; subclasses are frozen dataclasses whose fields are its parameters (runner.parameters).

    `name` is the word on the command line, in experiments, ledger, record and docs: the file's name with hyphens.
    """

    name: ClassVar[str]
    ends_by: ClassVar[EndsBy]
    mechanism: ClassVar[str]
    needs: ClassVar[tuple[str, ...]]
    # Which of runner.access.CAPABILITIES it needs in a cluster; most enter a pod's or a node's network there.
    access: ClassVar[str] = "node-faults"
    # What it changes through a cluster's API: deployment, service, pod or node; nothing where it goes into targets.
    changes: ClassVar[str] = ""

    @property
    def enters(self) -> bool:
        """Whether it enters the network of its targets in a cluster; the others act and look by the API alone."""
        return self.access == "node-faults" and not self.changes

    @classmethod
    def fits_container(cls) -> bool:
        """Return whether it can be had from an ephemeral container, which has power over its network alone."""
        return cls.access == "node-faults" and set(cls.needs) <= {"nft", "CAP_NET_ADMIN"}

    def identity(self, at: Target) -> str:
        """Return what tells a target from a later one of its name, by no more than the fault itself needs."""
        return at.known() if isinstance(at, Known) and not self.enters else at.identity()

    @classmethod
    def tries(cls) -> tuple[Try, ...]:
        """Return what shows whether a kernel can have it, where programs and privileges do not say."""
        return ()

    @abstractmethod
    def sentence(self, who: str) -> str:
        """Return what happens to whom, for plans, proofs and reports: `3 hosts in payment cannot resolve x`."""

    @abstractmethod
    def proof(self, at: Target) -> ProbeCall:
        """Return the independent probe that shows this fault at a target: a function of (at, before, **arguments).

        Of a one-shot fault it also takes `after`: whether it is asked for what came in place of what was struck.
        """

    @abstractmethod
    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return what to do at a target for that long; writes nothing, raises Missing where it cannot be had."""

    @classmethod
    def endings(cls, fault_id: str) -> tuple[Ending, ...]:
        """Return all ways in which it may end at targets that are entered in a cluster.

        What is to be done otherwise by a cluster's ledger is not obeyed. Changes of objects are ended by `changes`.
        """
        return Ending((), ()), *(
            Ending(tables.removal(fault_id, family, linked), tables.checks(fault_id, family, linked))
            for family, linked in tables.WAYS
        )

    @classmethod
    def impossible(cls, environment: Environment) -> UsageError | None:  # noqa: ARG003 - for those that can tell
        """Return why no target of an environment can have it, and what can be had there; None where that is not known.

        Nothing is ever put in its place by itself.
        """
        return None

    def settled(self, environment: Environment | None) -> "Fault":  # noqa: ARG002 - for those that need it
        """Return the fault with what nobody said and the environment knows."""
        return self

    def takes(self, replicas: int) -> int:
        """Return how many of so many replicas of a target are taken away, for faults that change objects of the API."""
        return replicas

    def home(self, environment: Environment | None) -> str:  # noqa: ARG002 - for those that have one
        """Return whom it is for, written as `--on`, where nobody said; nothing where that has to be said."""
        return ""

    def lasts(self, seconds: float) -> float:
        """Return how long it lasts where nobody said, given the environment's default."""
        return seconds

    def refuse(self, seconds: float) -> None:  # noqa: B027 - most have nothing against it
        """Raise UsageError where it cannot be had in that time, Refused where it must not be."""

    def heed(self, before: Look) -> None:  # noqa: B027 - most have nothing against it
        """Raise Refused where what was seen without the fault forbids it."""

    def act(self, stage: Stage) -> None:  # noqa: B027 - most have nothing to do
        """Do what has to be done all the while, in a thread from the commit on; return when `stage.over` is set.

        It is no part of what ends the fault: whatever it does must end by itself where the fault lives, because the
        thread dies with its process.
        """
