"""Namespaces take faults only where their owners agreed: by a label, unless the environment asks for none."""

from collections.abc import Iterator

from runner.entry import IN_CLUSTERS
from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny
from runner.selection import Pick

__all__ = ["LABEL", "rule"]

_NAME = "opted in"
LABEL = "chaosctl/faults"


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether each namespace with targets carries the label, each no apart; raises Unreachable."""
    pinned = proposal.chosen.environment.kubernetes
    picks = proposal.selected.picks
    namespaces = sorted({pick.namespace for pick in picks if pick.namespace and _is_in_cluster(pick)})
    if pinned is None or not namespaces:
        return ()
    if not pinned.opt_in:
        return (allow(_NAME, f"environment {proposal.chosen.name!r} asks for no label of {', '.join(namespaces)}"),)
    denied = tuple(_denied(proposal, namespaces))
    return denied or (allow(_NAME, f"{', '.join(namespaces)}: labelled {LABEL}=allowed"),)


def _is_in_cluster(pick: Pick) -> bool:
    return pick.target.partition(":")[0] in IN_CLUSTERS


def _denied(proposal: Proposal, namespaces: list[str]) -> Iterator[Ruling]:
    from runner.cluster import cluster  # noqa: PLC0415 - half a second that only clusters need

    at = cluster(proposal.chosen.name, proposal.chosen.environment.kubernetes)
    for namespace in namespaces:
        labels = at.get(f"/api/v1/namespaces/{namespace}")["metadata"].get("labels", {})
        if labels.get(LABEL) != "allowed":
            yield deny(
                _NAME,
                f"Namespace {namespace} takes no faults: it is not labelled {LABEL}=allowed.",
                f"Its owner says yes by `kubectl label namespace {namespace} {LABEL}=allowed`; where no label is "
                f"wanted, set kubernetes.opt_in: false in environment {proposal.chosen.name!r}.",
            )
