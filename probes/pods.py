"""Pods as their cluster sees them: proofs of faults on pods, and probes for experiments."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from runner.cluster import Cluster, cluster
from runner.config import current
from runner.errors import Inconclusive
from runner.model import Look, Sight, clock

__all__ = ["ready", "replaced", "restarts", "zones"]

_ZONE = "topology.kubernetes.io/zone"


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
    count = len(_ready_of(at.cluster, path.rpartition("/")[0], owner))
    told = f"{at.name} {'is there' if there else 'is gone'}; {count} of {wanted} pods of its owner are ready"
    return Look(asked, clock(), Sight.ABSENT if (count >= wanted if after else there) else Sight.PRESENT, told)


def ready(namespace: str, selector: str = "") -> int:
    """Return how many pods of a namespace are ready: a probe for experiments; `selector` as kubectl takes it.

    Raises Inconclusive where none matches at all.
    """
    return sum(_is_ready(pod) for pod in _some(namespace, selector))


def restarts(namespace: str, selector: str = "") -> int:
    """Return how often containers of these pods were restarted, all together: a probe for experiments."""
    statuses = [each for pod in _some(namespace, selector) for each in pod["status"].get("containerStatuses", ())]
    return sum(int(each.get("restartCount", 0)) for each in statuses)


def zones(namespace: str, selector: str = "") -> int:
    """Return in how many zones these pods are ready: a probe for experiments."""
    at = _cluster()
    nodes = {
        node["metadata"]["name"]: node["metadata"]["labels"].get(_ZONE, "") for node in at.items("/api/v1/nodes").items
    }
    return len({nodes.get(pod["spec"].get("nodeName", ""), "") for pod in _some(namespace, selector) if _is_ready(pod)})


def _first(at: _OnCluster, pod: Mapping[str, Any], asked: float) -> Look:
    owner = next((each["uid"] for each in pod["metadata"].get("ownerReferences", ()) if each.get("controller")), "")
    if not owner:
        return Look(asked, clock(), Sight.UNCLEAR, f"{at.name} has no owner that would replace it")
    if not _is_ready(pod):
        return Look(asked, clock(), Sight.UNCLEAR, f"{at.name} is not ready even without the fault")
    pods = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
    count = len(_ready_of(at.cluster, pods, owner))
    told = f"{at.name} is ready, one of {count} of its owner"
    return Look(asked, clock(), Sight.ABSENT, told, {"owner": owner, "ready": count})


def _ready_of(at: Cluster, pods: str, owner: str) -> list[str]:
    """Return the names of the ready pods of an owner that are not on their way out."""
    return [
        pod["metadata"]["name"]
        for pod in at.items(pods).items
        if _is_ready(pod) and any(each["uid"] == owner for each in pod["metadata"].get("ownerReferences", ()))
    ]


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", ())
    stands = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return stands and "deletionTimestamp" not in pod["metadata"]


def _some(namespace: str, selector: str) -> list[Any]:
    query = {"labelSelector": selector} if selector else {}
    found = _cluster().items(f"/api/v1/namespaces/{quote(namespace)}/pods", None, **query).items
    if not found:
        raise Inconclusive(f"No pod in {namespace} matches {selector or 'anything'}: there is nothing to tell of.")
    return found


def _cluster() -> Cluster:
    chosen = current()
    return cluster(chosen.name, chosen.environment.kubernetes)
