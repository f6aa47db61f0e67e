"""Faults of packets on a real cluster: inside pods, and on a node, whose kubelet's port they leave alone."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.kubernetes.names import NODES
from runner.errors import Missing
from runner.targets.node import NodeTarget
from tests._inject import healed, injected
from tests._kube import Kube
from tests._kubernetes import PAYMENT, execute, here, left, pod, until


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left())


def test_pods_that_are_meant_lose_their_way_and_their_neighbours_do_not(nothing_left: None) -> None:
    """The name of the other side is resolved as the pod itself would."""
    with pod("cut", "resolvers", "cut", "worker-02"), pod("whole", "resolvers", "whole", "worker-02"):
        assert _reaches("cut") == "reached"
        made = injected(
            "network-partition",
            namespace="payment",
            selector="app=cut",
            target="redis-cluster",
            port=6379,
            duration="300s",
        )
        try:
            assert _reaches("cut") == "TimeoutError: timed out"
            assert _reaches("whole") == "reached"
        finally:
            healed(made)
        assert made.healed
        assert _reaches("cut") == "reached"


def test_partition_of_pods_is_ended_by_their_kernel(nothing_left: None) -> None:
    made = injected(
        "network-partition",
        namespace="payment",
        selector="app=payment-pooled",
        replicas="all",
        target="redis-cluster",
        port=6379,
        duration="12s",
    )
    made.wait()
    made.finish()
    assert made.healed
    assert [course.ended_how for course in made.courses] == ["deadline", "deadline"]
    assert made.hits


def test_node_that_is_cut_from_everybody_still_answers_us(kube: Kube, nothing_left: None) -> None:
    """All that its interface carries is lost, but for the port by which it is looked at, and would be undone."""
    witness = str(kube.lab.address(NODES["worker-01"]))
    made = injected("network-partition", node="worker-03", target="any", witness=witness, duration="20s")
    assert any("port 10250 (the kubelet's) is left alone" in note for note in made.account()["notes"])
    made.wait()
    made.finish()
    [course] = made.courses
    assert made.healed
    assert course.ended_how == "deadline", course.errors


def test_partition_of_a_node_is_undone_early(kube: Kube, nothing_left: None) -> None:
    other = str(kube.lab.address(NODES["worker-01"]))
    made = healed(injected("network-partition", node="worker-03", target=other, duration="300s"))
    assert made.healed
    assert made.courses[0].ended_how == "undone"


def test_ways_in_are_what_the_node_says(kube: Kube) -> None:
    assert NodeTarget(here(), "worker-03").way_in() == 10250


def test_what_the_nodes_kernel_lacks_is_named(nothing_left: None) -> None:
    """Where it has netem, the delay is proven instead."""
    with pod("late", "resolvers", "late"):
        whom = {"namespace": "payment", "selector": "app=late", "target": "redis-cluster", "port": 6379}
        try:
            made = injected("network-delay", delay="300ms", duration="60s", **whom)
        except Missing as error:
            assert "its kernel has no " in error.message  # noqa: PT017 - one of two ends
            assert any(what in error.message for what in ("netem", "ifb")), error.message  # noqa: PT017
        else:
            assert healed(made).healed


def _reaches(name: str) -> str:
    """Try to reach Redis from a pod; returns what came of it."""
    address = here().get(f"{PAYMENT}/redis-cluster-0")["status"]["podIP"]
    dial = f"import socket; s = socket.socket(); s.settimeout(5); s.connect(('{address}', 6379)); print('reached')"
    return execute(name, "python3", "-c", dial)[1].strip().rpartition("\n")[2]
