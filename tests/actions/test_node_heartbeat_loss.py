"""node-heartbeat-loss: its rules without a cluster, and both variants on a real one."""

from typing import Any

import pytest

from actions._api_servers import Server
from actions.node_heartbeat_loss import NodeHeartbeatLoss, _borne, _rules
from runner import foresight
from runner.config import Kubernetes
from runner.errors import CommandFailed, Inconclusive, Missing, Refused, UsageError
from runner.model import EndsBy, Look, Sight
from runner.parameters import build
from runner.plan import Plan
from runner.selection import Pick, Selected
from runner.targets import is_same, reach
from runner.targets.node import NodeTarget


def test_what_ends_it_depends_on_the_variant() -> None:
    assert NodeHeartbeatLoss().ends_by is EndsBy.ADMISSION
    assert NodeHeartbeatLoss(variant="partition").ends_by is EndsBy.KERNEL


def test_duration_that_can_show_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="too short"):
        NodeHeartbeatLoss().refuse(10)
    with pytest.raises(UsageError, match="further than an hour"):
        NodeHeartbeatLoss().refuse(3600)
    NodeHeartbeatLoss(variant="partition").refuse(7200)


def test_clock_that_is_off_is_refused_in_favour_of_the_kernel() -> None:
    seen = Look(0.0, 0.0, Sight.ABSENT, "", {"skew": -2.5})
    with pytest.raises(Refused, match=r"-2\.5 s off ours.*--variant=partition"):
        NodeHeartbeatLoss().heed(seen)
    NodeHeartbeatLoss(variant="partition").heed(seen)


def test_rules_name_the_servers_of_one_family() -> None:
    assert "10.0.0.1 . 6443 timeout 90s" in _rules([Server("10.0.0.1", 6443)], 90.0, "drop")[0]
    assert (
        "ip6 daddr . tcp dport @armed counter reject with tcp reset"
        in _rules([Server("fd00::1", 443)], 90.0, "reject")[1]
    )


def test_servers_of_both_families_are_cut_off() -> None:
    servers = [Server("10.0.0.1", 6443), Server("fd00::1", 443), Server("10.0.0.1", 6443)]
    armed, more, out, back = _rules(servers, 90.0, "drop")
    assert armed.count("10.0.0.1") == 1
    assert armed.startswith("set armed { type ipv4_addr"), "by this one is told whether it is live"
    assert more.startswith("set armed_more { type ipv6_addr")
    assert "ip daddr . tcp dport @armed counter drop; ip6 daddr . tcp dport @armed_more counter drop;" in out
    assert "ip saddr . tcp sport @armed counter drop; ip6 saddr . tcp sport @armed_more counter drop;" in back


@pytest.mark.parametrize(
    "slices", [[], [{"ports": None, "endpoints": None}], [{"ports": [{"port": 6443}], "endpoints": []}]]
)
def test_cluster_without_endpoints_of_its_api_server_is_told_what_is_missing(slices: list[Any]) -> None:
    cluster = Rebooting()
    cluster.slices = slices
    with pytest.raises(Inconclusive, match=r"default/kubernetes has none.*--endpoint=https://HOST:PORT"):
        NodeHeartbeatLoss(variant="partition").steps(_node(cluster), "aa22bb33", 60.0)


def test_load_balancer_that_kubelets_use_is_cut_off_as_well() -> None:
    """Kubelets behind one go on as if nothing were where only the API servers themselves are cut off."""
    made = build(NodeHeartbeatLoss, {"variant": "partition", "endpoint": "https://10.9.9.9:443"})
    [load] = made.steps(_node(Rebooting()), "aa22bb33", 60.0).inject
    assert "10.0.0.1 . 6443" in load.stdin
    assert "10.9.9.9 . 443" in load.stdin
    with pytest.raises(UsageError, match="variant=heartbeat cuts off nothing"):
        build(NodeHeartbeatLoss, {"endpoint": "https://10.9.9.9"}).refuse(60)


@pytest.mark.parametrize(
    ("tolerations", "borne"),
    [
        ([], 0.0),
        ([{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 300}], 300.0),
        ([{"operator": "Exists"}], None),
        ([{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 30}], 0.0),
    ],
)
def test_how_long_a_pod_bears_it(tolerations: list[dict[str, Any]], borne: float | None) -> None:
    assert _borne(tolerations) == borne


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        NodeHeartbeatLoss().proof(reach("local"))


class Rebooting:
    """Stands in for a cluster with one node."""

    environment = "lab"
    pinned = Kubernetes(context="lab", uid="u")
    boot, uid, lost = "one", "n", ""

    def __init__(self) -> None:
        self.slices: list[Any] = [{"ports": [{"port": 6443}], "endpoints": [{"addresses": ["10.0.0.1"]}]}]

    def find(self, _path: str) -> dict[str, Any]:
        return {"metadata": {"uid": self.uid}, "status": {"nodeInfo": {"bootID": self.boot}}}

    def request(self, method: str, path: str, _body: Any) -> dict[str, Any]:
        borne = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": 300}
        pods: dict[str, Any] = {"items": [{"spec": {"tolerations": [borne]}}]}
        if self.lost and path.endswith(f"/{self.lost}"):
            raise CommandFailed("cluster", (method, path), 404, "not found")
        marks = {} if self.lost == "annotations" else {"annotations": {"chaosctl/parameters": "chaosctl-parameters"}}
        policy = {"metadata": marks}
        answers = {
            "version": {"major": "1", "minor": "34"},
            "pods": pods,
            "chaosctl-heartbeat-loss": policy,
            "endpointslices": {"items": self.slices},
        }
        return answers.get(path.partition("?")[0].rpartition("/")[2], {})


@pytest.mark.parametrize(("variant", "stays"), [("heartbeat", True), ("partition", False)])
def test_reboot_ends_what_is_in_the_nodes_kernel_and_not_what_is_in_the_api_server(variant: Any, stays: bool) -> None:
    """Taken for gone, the parameter of a policy would be left there, live, and in no ledger."""
    cluster = Rebooting()
    identity = NodeHeartbeatLoss(variant=variant).identity(_node(cluster))
    assert is_same(_node(cluster), identity)
    cluster.boot = "two"
    assert is_same(_node(cluster), identity) is stays
    cluster.uid = "another"
    assert not is_same(_node(cluster), identity)


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("chaosctl-heartbeat-loss", "is not installed in this cluster"),
        ("annotations", "of an earlier version"),
        ("chaosctl-parameters", "has lost its namespace chaosctl-parameters"),
    ],
)
def test_policy_that_is_not_as_it_is_now_is_to_be_applied_again(lost: str, told: str) -> None:
    """A parameter that an earlier policy does not read would be taken for a fault that was not proven."""
    cluster = Rebooting()
    cluster.lost = lost
    with pytest.raises(Missing, match=rf"{told}.*kubectl apply -f deploy/rbac/admission-faults.yaml"):
        NodeHeartbeatLoss().steps(_node(cluster), "aa22bb33", 60.0)


def test_plan_warns_of_what_its_duration_cannot_show() -> None:
    """Nothing of ours has to be on the node for that: the API server knows who bears how much."""
    at = _node(Rebooting())
    selected = Selected((at,), "worker-03", (Pick(at.name, "worker-03", node="worker-03"),))
    made = Plan(NodeHeartbeatLoss(), selected, 120.0, None, (), 1)
    warnings = foresight._warnings(made, (foresight._place(made, 0),))
    assert any("pods are evicted after 5m of that, so none is" in each for each in warnings), warnings
    assert not any("not looked into" in each for each in warnings)


def _node(cluster: Rebooting) -> NodeTarget:
    return NodeTarget(cluster, "worker-03")  # type: ignore[arg-type]
