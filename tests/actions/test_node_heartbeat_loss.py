"""node-heartbeat-loss: its rules without a cluster, and both variants on a real one."""

from typing import Any

import pytest

from actions._api_servers import Server
from actions.node_heartbeat_loss import NodeHeartbeatLoss, _borne, _rules
from runner.errors import Refused, UsageError
from runner.model import EndsBy, Look, Sight
from runner.targets import reach


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
