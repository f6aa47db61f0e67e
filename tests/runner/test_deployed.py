"""What runs in a cluster as labels of a run. The cluster is a stand-in: an HTTP server that lists workloads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner import cluster as clusters
from runner.config import Kubernetes
from runner.deployed import deployed, labelled, told
from tests._api_server import Cluster, cluster

UID = "6f1d2c3b-0000-4000-8000-000000000001"
PODS = ["netns:payment", "node:staging/worker-1", "pod:staging/payment/api-1", "pod:staging/payment/api-2"]


def workload(name: str, *containers: str, **said: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": each, "image": f"registry:5000/{each}:1.4"} for each in containers]}}
    return {"metadata": {"name": name, **said}, "spec": {"template": template}}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Cluster]:
    """The cluster of the environment `staging`."""
    clusters.forget()
    with cluster(tmp_path, UID) as made:
        clusters.cluster("staging", Kubernetes(context="payment", kubeconfig=made.kubeconfig, uid=UID))
        yield made
    clusters.forget()


def test_images_charts_versions_and_revisions_are_read_once_a_namespace(served: Cluster) -> None:
    labels = {"helm.sh/chart": "api-3.1.0", "app.kubernetes.io/version": "1.4"}
    api = workload("api", "api", labels=labels, annotations={"org.opencontainers.image.revision": "4f2a9c1"})
    served.workloads = {"deployments": [api], "statefulsets": [workload("redis", "redis", "exporter")]}
    assert deployed(PODS) == (
        {
            "image.api": "registry:5000/api:1.4",
            "chart.api": "api-3.1.0",
            "version.api": "1.4",
            "git.api": "4f2a9c1",
            "image.redis.redis": "registry:5000/redis:1.4",
            "image.redis.exporter": "registry:5000/exporter:1.4",
        },
        "",
    )
    assert [path.partition("?")[0] for path in served.asked if "/apps/" in path] == [
        f"/apis/apps/v1/namespaces/payment/{kind}" for kind in ("deployments", "statefulsets", "daemonsets")
    ]


def test_what_the_pods_say_counts_less_than_what_their_workload_says() -> None:
    made = workload("api", "api", labels={"helm.sh/chart": "new"})
    made["spec"]["template"]["metadata"] = {"labels": {"helm.sh/chart": "old", "app.kubernetes.io/version": "2"}}
    assert told(made) == {"image.api": "registry:5000/api:1.4", "chart.api": "new", "version.api": "2"}


def test_a_cluster_that_does_not_say_is_told_and_no_pods_ask_none(served: Cluster) -> None:
    served.status = 403
    found, missing = deployed(PODS)
    assert found == {}
    assert "is not allowed (403)" in missing
    served.asked.clear()
    assert deployed(["netns:payment", "local", "node:staging/worker-1"]) == ({}, "")
    assert served.asked == []


def test_what_was_said_by_hand_wins(served: Cluster) -> None:
    served.workloads = {"deployments": [workload("api", "api"), workload("web", "web")]}
    by_hand = {"user": "ada", "labels": {"image.api": "mine", "git": "4f2a9c1"}}
    labels = {"image.api": "mine", "git": "4f2a9c1", "image.web": "registry:5000/web:1.4"}
    assert labelled(by_hand, PODS) == ({"user": "ada", "labels": labels}, "")
    served.status = 403
    kept, missing = labelled(by_hand, PODS)
    assert kept == by_hand
    assert missing.startswith("what runs in the cluster could not be read: ")
