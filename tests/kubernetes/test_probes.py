"""Probes of workloads against a real cluster, while things happen there."""

from typing import Any

import pytest

from probes import kubernetes
from runner.errors import Inconclusive, UsageError
from tests._kubernetes import PAYMENT, here, pod, running, until

STALE = "/apis/apps/v1/namespaces/payment/deployments/payment-stale"


def test_whole_service_is_told_as_it_is(kube: Any) -> None:
    api = "payment", "app=payment-api"
    assert kubernetes.ready(*api) == 3
    assert kubernetes.ready_replicas("deployment/payment-api", "payment") == 3
    assert kubernetes.ready_replicas("statefulset/redis-cluster", "payment") == 3
    assert kubernetes.rollout("deployment/payment-api", "payment") == "complete"
    assert kubernetes.rollout("statefulset/redis-cluster", "payment") == "complete"
    assert kubernetes.endpoints("payment-api", "payment") == 3
    assert kubernetes.endpoints("mysql", "payment") == 0
    assert (kubernetes.zones(*api), kubernetes.zone_skew(*api)) == (3, 0)


def test_what_is_not_there_is_not_taken_for_nothing_wrong(kube: Any) -> None:
    for ask in (
        lambda: kubernetes.ready("payment", "app=none"),
        lambda: kubernetes.restarts("payment", "app=none"),
        lambda: kubernetes.evictions("payment", "app=none"),
        lambda: kubernetes.endpoints("none", "payment"),
        lambda: kubernetes.unserved("none", "payment"),
        lambda: kubernetes.ready_replicas("deployment/none", "payment"),
    ):
        with pytest.raises(Inconclusive, match="nothing to tell of"):
            ask()
    with pytest.raises(UsageError, match="no workload"):
        kubernetes.rollout("payment-api", "payment")


def test_evictions_are_told_from_pods_that_are_deleted(kube: Any) -> None:
    asked = "payment", "app=payment-api"
    assert kubernetes.evictions(*asked) == 0
    one, other, _ = (each["metadata"]["name"] for each in running("payment-api"))
    here().delete(f"{PAYMENT}/{other}", gracePeriodSeconds=0)
    until("three pods", lambda: kubernetes.ready(*asked) == 3)
    assert kubernetes.evictions(*asked) == 0
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": one}}
    here().create(f"{PAYMENT}/{one}/eviction", eviction)
    until("the eviction", lambda: kubernetes.evictions(*asked) == 1)
    until("three pods", lambda: kubernetes.rollout("deployment/payment-api", "payment") == "complete")


def test_time_without_endpoints_is_counted_while_it_lasts(kube: Any) -> None:
    asked = "payment-stale", "payment"
    assert kubernetes.unserved(*asked) == 0
    here().patch(STALE, {"spec": {"replicas": 0}})
    try:
        first = until("no endpoints", lambda: kubernetes.unserved(*asked))
        until("more of it", lambda: kubernetes.unserved(*asked) > first)
        assert kubernetes.endpoints(*asked) == 0
    finally:
        here().patch(STALE, {"spec": {"replicas": 2}})
    until("two endpoints", lambda: kubernetes.endpoints(*asked) == 2)
    until("its end", lambda: kubernetes.unserved(*asked) == kubernetes.unserved(*asked))


def test_restarts_are_counted(kube: Any) -> None:
    """A container that ends by itself is started again by its kubelet."""
    main = {"name": "main", "image": "chaosctl.lab/resolvers:lab", "imagePullPolicy": "Never"}
    ending = [{**main, "command": ["/bin/sh", "-c", "sleep 3"]}]
    with pod("ends", "resolvers", "ends", containers=ending):
        until("a restart", lambda: kubernetes.restarts("payment", "app=ends"))
        assert kubernetes.restarted("payment", "1h", "app=ends") == 1
        assert kubernetes.restarted("payment", "1ms", "app=ends") == 0
