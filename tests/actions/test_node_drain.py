"""node-drain, without a cluster; tests/kubernetes has the rest."""

from typing import Any

import pytest

from actions.node_drain import NodeDrain, _stays
from runner.config import Environment, Kubernetes
from runner.errors import UsageError
from runner.model import EndsBy
from runner.plan import plan
from runner.targets import reach


def test_guardians_end_it() -> None:
    assert NodeDrain().ends_by is EndsBy.GUARDIAN


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        NodeDrain().proof(reach("local"))


def test_without_a_cluster_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="acts on nodes of a cluster"):
        plan(NodeDrain, {"where": "local"})


OWNED = {"ownerReferences": [{"kind": "ReplicaSet", "controller": True}]}


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        (OWNED, ""),
        ({"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}, "DaemonSet"),
        ({**OWNED, "annotations": {"kubernetes.io/config.mirror": "x"}}, "static pod"),
        ({}, "nobody would replace it"),
        ({**OWNED, "namespace": "shop"}, "takes no faults"),
    ],
)
def test_who_stays_and_why(meta: dict[str, Any], reason: str) -> None:
    found = _stays({"metadata": {"namespace": "payment", **meta}}, {"payment"})
    assert reason in found
    assert bool(reason) == bool(found)


def test_namespaces_that_are_protected_or_did_not_agree_are_left() -> None:
    agreed = {"metadata": {"name": "payment", "labels": {"chaosctl/faults": "allowed"}}}
    silent = {"metadata": {"name": "shop"}}
    system = {"metadata": {"name": "kube-system", "labels": {"chaosctl/faults": "allowed"}}}
    kubernetes = Kubernetes(context="x", uid="x")
    for opt_in, expected in ((True, [True, False, False]), (False, [True, True, False])):
        pinned = kubernetes.model_copy(update={"opt_in": opt_in})
        made = NodeDrain().settled(Environment(kind="lab", kubernetes=pinned))
        assert [made._agrees(each) for each in (agreed, silent, system)] == expected
