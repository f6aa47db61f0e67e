"""node-heartbeat-loss on a real cluster, both variants, with the account of what happened when."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from actions.node_heartbeat_loss import NodeHeartbeatLoss
from runner.errors import ChaosctlError, Inconclusive, Refused
from runner.plan import plan
from tests._inject import injected
from tests._kube import Kube, as_member
from tests._kubernetes import PARAMETERS, here, left, renewed, until


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left())


@pytest.mark.timeout(300)
def test_partition_is_the_kernels_and_pods_still_reach_the_api_server(nothing_left: None) -> None:
    made = injected("node-heartbeat-loss", node="worker-03", variant="partition", cut="reject", duration="20s")
    assert any(name.startswith("pods/chaosctl-") for name in left())
    made.wait()
    made.finish()
    assert made.healed
    assert made.courses[0].ended_how == "deadline"
    assert "nothing but its lease will show" in made.account()["notes"][0]


@pytest.mark.timeout(300)
def test_who_is_granted_admission_faults_alone_has_it_from_beginning_to_end(
    kube: Kube, nothing_left: None, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch, as_member(kube, "chaosctl:admission-faults", tmp_path, patch):
        made = injected("node-heartbeat-loss", node="worker-03", duration="30s")
        assert here().find(f"{PARAMETERS}/heartbeat-loss-{made.id}")
        made.wait()
        made.finish()
        assert made.healed
        assert made.courses[0].ended_how == "deadline"


@pytest.mark.parametrize("far", ["2h", "garbled"])
def test_parameter_that_reaches_further_than_an_hour_never_denies(kube: Kube, nothing_left: None, far: str) -> None:
    """Also not in the last hour before its moment. The one that is in bounds shows that both had been heard of."""
    begun = datetime.now(UTC)
    far = (begun + timedelta(hours=2)).isoformat() if far == "2h" else far
    try:
        for node, moment in (("worker-02", far), ("worker-01", (begun + timedelta(minutes=50)).isoformat())):
            labels = {"chaosctl/parameter": "heartbeat-loss"}
            item = {"metadata": {"name": node, "labels": labels}, "data": {"node": node, "until": moment}}
            here().create(PARAMETERS, item)
        until("the policy", lambda: not renewed(kube, "worker-01", begun + timedelta(minutes=20)))
        for minutes in (1, 59, 61, 90, 119):
            assert renewed(kube, "worker-02", begun + timedelta(minutes=minutes)), minutes
        assert renewed(kube, "worker-01", begun + timedelta(minutes=51))
    finally:
        for node in ("worker-01", "worker-02"):
            here().delete(f"{PARAMETERS}/{node}")


def test_node_that_carries_the_clusters_dns_is_refused_unless_it_is_named(kube: Any) -> None:
    dns = here().items("/api/v1/namespaces/kube-system/pods", None, labelSelector="k8s-app=kube-dns").items
    node = dns[0]["spec"]["nodeName"]
    with pytest.raises(Refused, match=r"carries .*kube-dns"):
        plan(NodeHeartbeatLoss, {"node": node, "duration": "60s"})
    assert plan(NodeHeartbeatLoss, {"node": node, "allow_node": node, "duration": "60s"}).selected.who == node


def test_node_that_is_not_there_is_inconclusive(kube: Any) -> None:
    with pytest.raises(Inconclusive, match=r"There is no node worker-99.*worker-01"):
        plan(NodeHeartbeatLoss, {"node": "worker-99", "duration": "60s"})


def test_without_the_policy_it_says_who_installs_it(kube: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.policy._PATH", "/apis/apps/v1/namespaces/default/deployments/none")
    with pytest.raises(ChaosctlError, match=r"not installed.*kubectl apply"):
        injected("node-heartbeat-loss", node="worker-03", duration="60s")
    assert left() == []
