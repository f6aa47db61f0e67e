"""Pods as their cluster sees them: proofs of faults on pods."""

from collections.abc import Mapping
from typing import Any, Protocol

from probes._workloads import is_ready
from runner.cluster import Cluster
from runner.model import Look, Sight, clock

__all__ = ["replaced"]

_ITS_OWN = (
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "controller-revision-hash",
    "statefulset.kubernetes.io/pod-name",
)
"""Labels that controllers give to each pod, beside those of its template."""


class _OnCluster(Protocol):
    name: str
    cluster: Cluster


def replaced(at: _OnCluster, before: Look | None, path: str, uid: str, after: bool = False) -> Look:
    """Return whether a pod is gone, PRESENT; `after` asks for as many ready ones of its owner as before, ABSENT."""
    asked = clock()
    pod = at.cluster.find(path)
    there = pod is not None and pod["metadata"]["uid"] == uid and "deletionTimestamp" not in pod["metadata"]
    if before is None:
        return (
            _first(at, pod, asked) if there and pod else Look(asked, clock(), Sight.UNCLEAR, f"{at.name} is not there")
        )
    owner, wanted = before.evidence["owner"], before.evidence["ready"]
    count = len(_ready_of(at.cluster, path.rpartition("/")[0], owner, before.evidence["labels"]))
    told = f"{at.name} {'is there' if there else 'is gone'}; {count} of {wanted} pods of its owner are ready"
    return Look(asked, clock(), Sight.ABSENT if (count >= wanted if after else there) else Sight.PRESENT, told)


def _first(at: _OnCluster, pod: Mapping[str, Any], asked: float) -> Look:
    owner = next((each["uid"] for each in pod["metadata"].get("ownerReferences", ()) if each.get("controller")), "")
    if not owner:
        return Look(asked, clock(), Sight.UNCLEAR, f"{at.name} has no owner that would replace it")
    if not is_ready(pod):
        return Look(asked, clock(), Sight.UNCLEAR, f"{at.name} is not ready even without the fault")
    pods = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
    labels = {name: value for name, value in pod["metadata"].get("labels", {}).items() if name not in _ITS_OWN}
    count = len(_ready_of(at.cluster, pods, owner, labels))
    told = f"{at.name} is ready, one of {count} of its owner"
    return Look(asked, clock(), Sight.ABSENT, told, {"owner": owner, "ready": count, "labels": labels})


def _ready_of(at: Cluster, pods: str, owner: str, labels: Mapping[str, str]) -> list[str]:
    """Return the names of the ready pods of an owner that are not on their way out.

    Only pods with the labels of their template are asked for: a namespace may have thousands of others.
    """
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    return [
        pod["metadata"]["name"]
        for pod in at.items(pods, None, labelSelector=selector).items
        if is_ready(pod) and any(each["uid"] == owner for each in pod["metadata"].get("ownerReferences", ()))
    ]
