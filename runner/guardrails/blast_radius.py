"""How much is touched at once: targets, shares of a service, and never all of its replicas unless that was said."""

from collections.abc import Iterator

from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny
from runner.selection import Share

__all__ = ["rule"]

_NAME = "blast radius"


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether so much may be touched, each no apart."""
    return tuple(_denied(proposal)) or (allow(_NAME, _told(proposal)),)


def _denied(proposal: Proposal) -> Iterator[Ruling]:
    most = proposal.limits.max_targets
    if proposal.selected.hit > most:
        yield deny(
            _NAME,
            f"{proposal.selected.hit} {_kind(proposal)} are more than environment {proposal.chosen.name!r} allows "
            f"({most}).",
            "Narrow the selection, or raise guardrails.max_targets there.",
        )
    for share in proposal.selected.shares:
        if share.picked == share.of > 1 and not proposal.selected.said:
            yield deny(
                _NAME,
                f"That is all {share.of} replicas of {share.service}, and it was not said that all are meant.",
                "Take some with --replicas=1 or --replicas=50%, or say it: --replicas=all.",
            )
        if share.picked > share.of * proposal.limits.max_percent / 100:
            yield deny(
                _NAME,
                f"{_spoken(share)} is more than the {proposal.limits.max_percent:g}% of a service that environment "
                f"{proposal.chosen.name!r} allows.",
                "Take fewer with --replicas, or raise guardrails.max_percent there.",
            )


def _told(proposal: Proposal) -> str:
    shares = "; ".join(_spoken(share) for share in proposal.selected.shares)
    told = f"{proposal.selected.hit} of at most {proposal.limits.max_targets} {_kind(proposal)}"
    return told + (f": {shares}" if shares else "")


def _kind(proposal: Proposal) -> str:
    """Return what is counted: a target that stands for many pods counts as these."""
    return "pods" if proposal.selected.pods > len(proposal.selected.targets) else "targets"


def _spoken(share: Share) -> str:
    return f"{share.picked} of {share.of} {'replica' if share.of == 1 else 'replicas'} of {share.service}"
