"""The account of a node's loss, from events as watches bring them."""

from typing import Any

import pytest

from probes._node_account import Account
from probes._workloads import moment


def lease(renewed: str) -> dict[str, Any]:
    return {"spec": {"renewTime": renewed, "leaseDurationSeconds": 40}}


def node(ready: str, *taints: str) -> dict[str, Any]:
    return {
        "spec": {"taints": [{"key": f"node.kubernetes.io/{taint}"} for taint in taints]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def pod(name: str, on: str, ready: str, owner: str = "rs", **meta: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "payment", "name": name, "ownerReferences": [{"uid": owner}], **meta},
        "spec": {"nodeName": on},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def slices(**ready: bool) -> dict[str, Any]:
    def endpoint(name: str) -> dict[str, Any]:
        return {
            "nodeName": "worker-03",
            "targetRef": {"name": name},
            "addresses": ["10.0.0.1"],
            "conditions": {"ready": ready[name]},
        }

    labels = {"kubernetes.io/service-name": "payment-api"}
    return {
        "metadata": {"namespace": "payment", "name": "s", "labels": labels},
        "endpoints": [endpoint(name) for name in ready],
    }


def whole(account: Account) -> bool:
    return account.whole


@pytest.fixture
def account() -> Account:
    made = Account("worker-03")
    made.state(node("True"), 0.0)
    made.slice(slices(a=True, b=True), 0.0)
    made.pod("ADDED", pod("a", "worker-03", "True"), 0.0)
    return made


def test_times_are_those_of_the_watch_and_the_nodes_own_stand_beside() -> None:
    account = Account("worker-03")
    for at, written in ((10.0, "2026-01-01T00:00:10.5Z"), (20.0, "2026-01-01T00:00:20.5Z")):
        account.lease(lease(written), at)
    account.lease(lease("2026-01-01T00:00:20.5Z"), 21.0)
    assert [at for at, _ in account.renewals] == [10.0, 20.0]
    assert account.renewals[0][1] == moment("2026-01-01T00:00:10.5Z")
    assert (account.last_before(15.0), account.first_after(15.0)) == (10.0, 20.0)


def test_node_is_whole_again_when_ready_untainted_and_its_endpoints_are_back(account: Account) -> None:
    assert whole(account)
    account.state(node("Unknown"), 50.0)
    account.state(node("Unknown", "unreachable"), 51.0)
    account.pod("MODIFIED", pod("a", "worker-03", "False"), 52.0)
    account.slice(slices(a=False, b=True), 52.5)
    assert not whole(account)
    account.state(node("True", "unreachable"), 90.0)
    account.state(node("True"), 91.0)
    assert not whole(account)
    account.pod("MODIFIED", pod("a", "worker-03", "True"), 92.0)
    account.slice(slices(a=True, b=True), 93.0)
    assert whole(account)
    assert account.told() == {
        "steps": {"unknown": 50.0, "tainted": 51.0, "ready": 90.0, "untainted": 91.0},
        "pods": {"payment/a": {"unready": 52.0, "ready": 92.0}},
        "endpoints": {"payment/payment-api a": {"left": 52.5, "returned": 93.0}},
        "rescheduled": {},
    }
    assert account.met == 1


def test_evicted_pods_are_followed_to_where_they_come_up(account: Account) -> None:
    account.pod("MODIFIED", pod("a", "worker-03", "False", deletionTimestamp="2026-01-01T00:00:00Z"), 350.0)
    account.pod("ADDED", pod("other", "worker-01", "False", owner="else"), 351.0)
    account.pod("ADDED", pod("a2", "worker-01", "False"), 352.0)
    account.slice(slices(b=True), 353.0)
    assert account.rescheduled == {"payment/a2": 352.0}
    assert account.endpoints == {"payment/payment-api a": {"left": 353.0}}
    assert whole(account), "an endpoint whose pod was evicted does not come back"
    assert account.met == 2


def test_node_pods_of_ours_are_nobodys_eviction() -> None:
    account = Account("worker-03")
    ours = {"app.kubernetes.io/managed-by": "chaosctl"}
    account.pod("ADDED", pod("chaosctl-x", "worker-03", "True", labels=ours), 1.0)
    account.pod("DELETED", pod("chaosctl-x", "worker-03", "True", labels=ours), 2.0)
    account.pod("DELETED", pod("payment-api-1", "worker-03", "True"), 3.0)
    assert account.met == 1
