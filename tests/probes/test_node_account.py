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
        "metadata": {"namespace": "payment", "name": name, "uid": name, "ownerReferences": [{"uid": owner}], **meta},
        "spec": {"nodeName": on} if on else {},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    }


def deleted(name: str, ready: str = "True", why: str = "") -> dict[str, Any]:
    """Return a pod of worker-03 on its way out; `why` the cluster made it go."""
    item = pod(name, "worker-03", ready, deletionTimestamp="2026-01-01T00:00:00Z")
    if why:
        item["status"]["conditions"].append({"type": "DisruptionTarget", "status": "True", "reason": why})
    return item


LOST = "DeletionByTaintManager"


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
    account.pod("ADDED", pod("before", "", "False"), 349.0)
    account.pod("MODIFIED", deleted("a", "False", LOST), 350.0)
    account.pod("ADDED", pod("other", "worker-01", "False", owner="else"), 351.0)
    account.pod("ADDED", pod("a2", "", "False"), 351.0)
    account.pod("MODIFIED", pod("before", "worker-01", "False"), 351.5)
    assert account.rescheduled == {}, "it has no node yet, and who was there before is no replacement"
    account.pod("MODIFIED", pod("a2", "worker-01", "False"), 352.0)
    account.pod("MODIFIED", pod("a2", "worker-01", "True"), 355.0)
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
    account.pod("DELETED", deleted("payment-api-1", why=LOST), 3.0)
    assert account.met == 1


def test_pod_that_its_owner_deletes_is_no_eviction_and_no_hit(account: Account) -> None:
    """A rollout under the fault: the new pod is no rescheduled one either."""
    account.slice(slices(a=False, b=True), 9.9)
    account.pod("MODIFIED", deleted("a"), 10.0)
    account.pod("ADDED", pod("a2", "worker-01", "False"), 10.5)
    account.pod("MODIFIED", deleted("a", "False"), 11.0)
    account.slice(slices(b=True), 12.0)
    account.pod("DELETED", deleted("a", "False"), 12.0)
    assert account.told()["pods"] == {"payment/a": {"gone": 10.0, "unready": 11.0}}
    assert (account.met, account.evictions, account.rescheduled) == (0, 0, {})
    assert whole(account), "its endpoint does not come back"


def test_endpoint_that_the_loss_took_counts_also_where_its_pod_is_deleted_later(account: Account) -> None:
    account.pod("MODIFIED", pod("a", "worker-03", "False"), 52.0)
    account.slice(slices(a=False, b=True), 52.5)
    account.pod("MODIFIED", deleted("a", "False"), 80.0)
    assert (account.met, account.evictions) == (1, 0)


def test_pod_that_has_run_to_its_end_is_not_evicted(account: Account) -> None:
    done = pod("job-1", "worker-03", "False")
    done["status"]["phase"] = "Succeeded"
    account.pod("ADDED", done, 1.0)
    account.pod("DELETED", deleted("job-1", "False", LOST), 350.0)
    assert account.evictions == 0
