"""A node that carries the cluster's DNS, what watches the experiment, or chaosctl itself is no target by accident."""

from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny

__all__ = ["rule"]

_NAME = "carrying"


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether nothing goes with the chosen nodes that the run itself needs, each no apart."""
    nodes = [pick.node for pick in proposal.selected.picks if pick.target and pick.node and not pick.namespace]
    if not nodes:
        return ()
    found: dict[str, list[str]] = {}
    for node, what in proposal.selected.carried:
        found.setdefault(node, []).append(what)
    denied = [
        deny(
            _NAME,
            f"Node {node} carries {', '.join(things)}: what watches the fault, or the whole cluster, would go with it.",
            f"Choose another node, or say that it is meant: --allow-node={node}.",
        )
        for node, things in found.items()
    ]
    return tuple(denied) or (allow(_NAME, f"{', '.join(nodes)}: nothing that the run needs, or allowed by name"),)
