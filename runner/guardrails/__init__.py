"""What may be touched, when, and for how long: one guardrail a file, and every decision kept for the record.

Those that come before a fault rule on the environment and on a proposal; nothing here writes to a target.
"""

from runner.config import Chosen
from runner.guardrails import blast_radius, carrying, cluster, duration, halt, opted_in, production, protected, windows
from runner.guardrails.admission import Admission, admit, foresee
from runner.guardrails.in_use import Locks
from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, enforce

__all__ = ["Admission", "Locks", "Proposal", "Ruling", "admit", "enforce", "foresee", "on_environment", "on_proposal"]

_PROPOSAL = duration, blast_radius, protected, opted_in, carrying, windows


def on_environment(chosen: Chosen) -> tuple[Ruling, ...]:
    """Return what is decided on an environment before it is asked for anything; raises Unreachable, UsageError."""
    rulings: tuple[Ruling, ...] = ()
    for guardrail in (production.rule, cluster.rule, halt.rule_of_cluster):
        rulings += guardrail(chosen)
        if any(not ruling.allowed for ruling in rulings):
            break
    return rulings


def on_proposal(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return what is decided on a fault for certain targets."""
    return tuple(ruling for guardrail in _PROPOSAL for ruling in guardrail.rule(proposal))
