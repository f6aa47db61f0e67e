"""A namespace takes faults where its owner said so by a label; asked of a real cluster."""

import pytest

from runner.config import Chosen, current
from runner.guardrails import Proposal, opted_in
from runner.guardrails.ruling import Ruling
from runner.parameters import build
from runner.pods import select
from runner.selection import Selection
from tests._kube import Kube


def ruled(namespace: str, opt_in: bool = True) -> tuple[Ruling, ...]:
    """Return what is decided on all pods of a namespace."""
    chosen = current()
    pinned = chosen.environment.kubernetes
    assert pinned is not None
    environment = chosen.environment.model_copy(update={"kubernetes": pinned.model_copy(update={"opt_in": opt_in})})
    asked = Chosen(name=chosen.name, environment=environment)
    return opted_in.rule(Proposal(asked, select(build(Selection, {"namespace": namespace}), asked), 60))


def test_a_namespace_without_the_label_takes_no_fault(kube: Kube) -> None:
    (ruling,) = ruled("customers")
    assert not ruling.allowed
    assert "Namespace customers takes no faults" in ruling.reason
    assert "kubectl label namespace customers chaosctl/faults=allowed" in ruling.fix


@pytest.mark.parametrize(("namespace", "opt_in"), [("payment", True), ("customers", False)])
def test_it_does_where_it_is_labelled_or_where_no_label_is_asked_for(kube: Kube, namespace: str, opt_in: bool) -> None:
    (ruling,) = ruled(namespace, opt_in)
    assert ruling.allowed
    assert namespace in ruling.reason
