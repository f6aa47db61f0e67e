"""A fault lasts no longer than its environment allows."""

from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny
from runner.model import format_duration

__all__ = ["rule"]

_NAME = "longest duration"


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether a fault may last that long."""
    limit = format_duration(proposal.limits.max_duration)
    lasts = format_duration(proposal.seconds)
    if proposal.seconds <= proposal.limits.max_duration:
        return (allow(_NAME, f"{lasts} of at most {limit}"),)
    return (
        deny(
            _NAME,
            f"{lasts} is longer than environment {proposal.chosen.name!r} allows ({limit}).",
            "Ask for less, or raise guardrails.max_duration there.",
        ),
    )
