"""node-drain on a real cluster: pods leave as their budgets allow, and guardians let the node take pods again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.node_drain import NodeDrain
from runner.errors import Inconclusive, Refused
from runner.plan import plan
from tests._inject import injected
from tests._kubernetes import here, left, running, settle, until
from tests.kubernetes._guarded import account, guardians, killed, mark, recovered

NODE = "worker-03"
PATH = f"/api/v1/nodes/{NODE}"
BUDGETS = "/apis/policy/v1/namespaces/payment/poddisruptionbudgets"
LINE = "inject", "node-drain", f"--node={NODE}"


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was, but for where pods are; that is mended for the next test."""
    yield
    assert until("nothing of ours", lambda: not left())
    assert (cordoned(), mark(PATH)) == (False, "")
    settle()


def cordoned() -> bool:
    """Return whether the node takes no pods."""
    return bool(here().get(PATH)["spec"].get("unschedulable"))


def there(app: str) -> list[str]:
    """Return the ready pods of an app on the node."""
    return [each["metadata"]["name"] for each in running(app) if each["spec"]["nodeName"] == NODE]


@pytest.mark.timeout(400)
def test_pods_leave_and_the_node_takes_pods_again_at_the_deadline(nothing_left: None) -> None:
    assert there("payment-api")
    found = account((*LINE, "--duration=40s"))
    assert found["sentence"] == f"{NODE} is drained for 40s"
    assert found["targets"][0]["hits"] >= 2
    assert there("payment-api") == []
    assert len(running("payment-api")) == 3


@pytest.mark.timeout(400)
def test_what_a_budget_holds_stays_and_is_named(nothing_left: None) -> None:
    (held,) = there("payment-api")
    budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": "payment-api"}}}
    here().create(BUDGETS, {"metadata": {"name": "all"}, "spec": budget})
    try:
        until("the budget", lambda: here().get(f"{BUDGETS}/all")["status"].get("currentHealthy") == 3)
        made = injected("node-drain", node=NODE, duration="25s")
        made.wait()
        made.finish()
        assert made.healed
        assert there("payment-api") == [held]
        assert made.courses[0].achieved
        assert f"payment/{held}" in made.courses[0].achieved.detail
        assert f"payment/{held}" in made.courses[0].achieved.evidence["stayed"]
    finally:
        here().delete(f"{BUDGETS}/all")


@pytest.mark.timeout(400)
def test_guardians_elsewhere_uncordon_it_with_the_runner_dead(nothing_left: None, tmp_path: Path) -> None:
    fault_id = killed((*LINE, "--duration=20s"))
    assert (cordoned(), mark(PATH)) == (True, fault_id)
    assert NODE not in {each["spec"]["nodeName"] for each in guardians()}
    until("the end of the fault", lambda: not cordoned())
    recovered(tmp_path, fault_id)


@pytest.mark.timeout(400)
def test_another_machine_undoes_it_long_before(nothing_left: None, tmp_path: Path) -> None:
    recovered(tmp_path, killed((*LINE, "--duration=300s")))


@pytest.mark.timeout(400)
def test_node_that_somebody_else_let_take_pods_meanwhile_is_as_before(nothing_left: None) -> None:
    """It is as it was before the fault: the mark alone is taken away, and the fault has ended early."""
    made = injected("node-drain", node=NODE, duration="60s")
    here().patch(PATH, {"spec": {"unschedulable": None}})
    made.wait()
    made.finish()
    assert made.courses[0].ended_how == "early"


def test_node_that_is_cordoned_already_is_left(nothing_left: None) -> None:
    here().patch(PATH, {"spec": {"unschedulable": True}})
    try:
        with pytest.raises(Inconclusive, match="is cordoned already"):
            injected("node-drain", node=NODE, duration="60s")
        assert cordoned()
    finally:
        here().patch(PATH, {"spec": {"unschedulable": None}})


def test_node_that_carries_what_is_needed_is_refused_unless_it_is_named(kube: Any) -> None:
    dns = here().items("/api/v1/namespaces/kube-system/pods", None, labelSelector="k8s-app=kube-dns").items
    node = dns[0]["spec"]["nodeName"]
    with pytest.raises(Refused, match=r"carries .*kube-dns"):
        plan(NodeDrain, {"node": node, "duration": "60s"})
    assert plan(NodeDrain, {"node": node, "allow_node": node, "duration": "60s"}).selected.who == node


def test_node_that_is_not_there_is_inconclusive(kube: Any) -> None:
    with pytest.raises(Inconclusive, match=r"There is no node worker-99"):
        plan(NodeDrain, {"node": "worker-99", "duration": "60s"})
