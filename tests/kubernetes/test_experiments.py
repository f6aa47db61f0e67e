"""The experiments on a real cluster by plain `chaos run`: proof, recovery and a score, with the Prometheus there."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests._kubernetes import left, until
from tests.e2e.conftest import EXPERIMENTS, Done, chaos_run

_PATIENCE = 280.0


@pytest.fixture(autouse=True)
def _nothing_left(kube: Any) -> Iterator[None]:
    yield
    assert until("nothing of ours", lambda: not left())


@contextmanager
def _seen() -> Iterator[set[str]]:
    """Collect what of ours is in the cluster meanwhile."""
    found: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            found.update(left())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()


def proven(done: Done) -> list[dict[str, Any]]:
    """Return the targets of a run's one fault, after asserting that it was proven everywhere, and came to a score."""
    said = done.out + done.err
    assert done.code in (0, 1), said
    assert done.record["judgement"]["verdict"] == ("pass", "fail")[done.code], said
    assert done.record["judgement"]["score"] is not None
    assert done.record["residue"] == []
    [fault] = done.record["faults"]
    for target in fault["targets"]:
        assert target["committed"] <= target["effective"] < target["ended"] <= target["healed"]
        assert target["ended_how"] == "deadline"
        before, *during, after = [look["sight"] for look in target["looks"]]
        assert (before, {*during}, after) == ("absent", {"present"}, "absent"), target["looks"]
    targets: list[dict[str, Any]] = fault["targets"]
    return targets


def test_payments_need_the_name() -> None:
    done = chaos_run(EXPERIMENTS / "network-dns.yaml", _PATIENCE, duration="12s")
    targets = proven(done)
    assert len(targets) == 3
    assert sum(target["hits"] for target in targets) > 50
    assert done.code == 1, "it has nothing to fall back to"


def test_payments_go_on_while_the_api_servers_etcd_is_slow() -> None:
    """Proven by a writer of our own in the network of the control plane, and by the API server's own histogram."""
    done = chaos_run(EXPERIMENTS / "etcd-latency.yaml", _PATIENCE, latency="300ms", percentile="90", lasting="35s")
    [target] = proven(done) if done.code in (0, 1) else too_slow(done)
    assert target["target"].endswith("/control-plane")
    assert target["hits"] > 0
    [achieved] = [look for look in target["looks"] if "achieved" in look["evidence"]]
    met = achieved["evidence"]["api_server"]
    assert met["slow"] > 10, achieved["detail"]
    assert met["slower_than"] == 0.2
    assert achieved["evidence"]["leader_stayed"]


def too_slow(done: Done) -> list[dict[str, Any]]:
    """Return the target of a run that met all of the fault but not its figure: so it is where processors are short."""
    [target] = done.record["faults"][0]["targets"]
    assert done.code == 3, done.out + done.err
    assert done.record["judgement"]["score"] is None
    assert "did not come to what was asked for: P90 of " in target["error"], done.out
    assert target["effective"] < target["ended"] <= target["healed"]
    return [target]


@pytest.mark.timeout(400)
def test_payments_go_on_while_the_cluster_hears_nothing_of_a_node() -> None:
    """No pod of ours is needed for it; the node counts as lost after 50 s, and comes back by itself."""
    with _seen() as ours:
        done = chaos_run(EXPERIMENTS / "node-heartbeat-loss.yaml", _PATIENCE, lost_for="60s")
    assert {name.rpartition("-")[0] for name in ours} == {"configmaps/fault", "configmaps/heartbeat-loss"}
    [target] = proven(done)
    [account] = [
        look["evidence"]
        for look in target["looks"]
        if "last_renewal" in look["evidence"] and "pods" in look["evidence"]
    ]
    assert account["steps"]["unknown"] > target["committed"] + 30
    assert account["steps"]["tainted"] > target["committed"] + 30
    assert account["endpoints"]
    assert target["hits"]
    after = target["looks"][-1]["evidence"]["steps"]
    assert after["ready"] > target["ended"]
    assert after["untainted"] > target["ended"]
    assert "none is" in done.record["faults"][0]["notes"][0]
