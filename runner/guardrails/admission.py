"""The last decisions before a fault: no halt was called, its targets are this run's, and nothing was left there."""

from collections.abc import Container, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

from runner.config import Chosen
from runner.entry import ENTERED
from runner.errors import ChaosctlError
from runner.fault import Fault
from runner.guardrails import blast_radius, halt, in_use, protected, sweep
from runner.guardrails.in_use import Locks
from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, enforce
from runner.origin import owner
from runner.selection import Selected
from runner.targets import Target
from runner.together import AT_ONCE

__all__ = ["Admission", "admit", "foresee", "is_entered"]


def admit(
    locks: Locks, fault: Fault, targets: Iterable[Target], environment: str, own: Container[str]
) -> tuple[Ruling, ...]:
    """Take a fault's targets for a run; raises Refused where they are in use or halted, Residue where some was left.

    `own` are the ids of this process's faults, `environment` is empty for none.
    """
    there = _identified(fault, targets)
    first = (*halt.rule(), *locks.take({identity: at.name for identity, at in there.items()}))
    if any(not ruling.allowed for ruling in first):
        return enforce(first)
    return enforce((*first, *sweep.before(there, environment, own, fault.enters)))


_faults: set[str] = set()
"""The ids of this process's faults: they may overlap, and are no residue to each other."""


class Admission:
    """The targets of one fault of this process, from before its first look to after its last; with all decisions."""

    def __init__(
        self, fault_id: str, fault: Fault, targets: Sequence[Target], what: str, chosen: Chosen | None
    ) -> None:
        self._made: tuple[Ruling, ...] = ()
        self._on_newcomers: dict[str, tuple[Ruling, ...]] = {}
        self._fault = fault
        self._targets = targets
        self._chosen = chosen
        self._environment = chosen.name if chosen else ""
        self._locks = Locks(owner(), f"fault {fault_id}, {what}")
        _faults.add(fault_id)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """All decisions so far; of those on a target that came, the last."""
        return (*self._made, *chain.from_iterable(list(self._on_newcomers.values())))

    def begin(self) -> None:
        """Take the targets, as `admit` does."""
        try:
            self._made = admit(self._locks, self._fault, self._targets, self._environment, _faults)
        except ChaosctlError as error:
            self._made = tuple(error.rulings)
            raise

    def rule(self, selected: Selected, seconds: float) -> None:
        """Decide on a target that came while the fault was live, with those that have it; raises Refused."""
        if self._chosen:
            proposal = Proposal(self._chosen, selected, seconds)
            made = (*blast_radius.rule(proposal), *protected.rule(proposal))
            self._on_newcomers[selected.targets[0].name] = made
            enforce(made)

    def join(self, at: Target) -> None:
        """Take one more target, that came while the fault was live."""
        self._made += admit(self._locks, self._fault, [at], self._environment, _faults)
        self._targets = (*self._targets, at)

    def give_up(self) -> None:
        """Let go of the targets, where nothing was injected."""
        self._locks.release()

    def end(self) -> None:
        """See that nothing that no ledger knows is left at the targets, and let go; raises Residue."""
        swept = sweep.after(self._targets if self._fault.enters else ())
        self._made += swept
        self._locks.release()
        enforce(swept)


def foresee(fault: Fault, targets: Iterable[Target], environment: str) -> tuple[Ruling, ...]:
    """Return what `admit` would decide now; takes nothing.

    Of pods and nodes of a cluster nothing is said: looking there would need a pod of ours first.
    """
    there = _identified(fault, (at for at in targets if not is_entered(at)))
    names = {identity: at.name for identity, at in there.items()}
    return (*halt.rule(), *in_use.rule(names), *sweep.before(there, environment, ()))


def is_entered(at: Target) -> bool:
    """Whether a target is reached by a pod of ours on its node."""
    return at.name.partition(":")[0] in ENTERED


def _identified(fault: Fault, targets: Iterable[Target]) -> dict[str, Target]:
    """Return targets by their identity; one that cannot be reached is found out by whoever looks at it next."""
    looked = list(targets)
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return {
            found: at for found, at in zip(pool.map(partial(_identity, fault), looked), looked, strict=True) if found
        }


def _identity(fault: Fault, at: Target) -> str:
    try:
        return fault.identity(at)
    except ChaosctlError:
        return ""
