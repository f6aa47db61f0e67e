"""Namespaces and nodes that are never touched."""

from collections.abc import Iterator

from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny
from runner.selection import Pick, like

__all__ = ["rule"]

_NAME = "protected"


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether none of the targets is protected, each no apart."""
    told = f"none of {len(proposal.selected.targets)} targets is in a protected namespace or on a protected node"
    return tuple(_denied(proposal)) or (allow(_NAME, told),)


def _denied(proposal: Proposal) -> Iterator[Ruling]:
    namespaces, nodes = like(proposal.limits.protected.namespaces), like(proposal.limits.protected.nodes)
    for pick in proposal.selected.picks:
        found = [("namespace", pick.namespace, namespaces)]
        found += [("node", name, nodes) for name in _names(pick)]
        for kind, name, protected in found:
            if protected(name):
                yield deny(
                    _NAME,
                    f"{pick.host or pick.target} may not be touched: environment {proposal.chosen.name!r} protects the "
                    f"{kind} {name}.",
                    f"Leave it out, or take it off guardrails.protected.{kind}s there.",
                )
                break


def _names(pick: Pick) -> list[str]:
    """Return what a target, its host and its node are called: `netns:worker-03` is worker-03 too."""
    return [name for name in (pick.node, pick.host, pick.target, pick.target.partition(":")[2]) if name]
