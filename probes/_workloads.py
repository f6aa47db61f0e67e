"""What a cluster's objects say of a workload; objects are dicts as the API has them. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

__all__ = ["evicted", "is_ready", "moment", "restarted", "restarts", "rollout", "serving", "spread"]

_ZONE = "topology.kubernetes.io/zone"
Item = Mapping[str, Any]


def is_ready(pod: Item) -> bool:
    """Return whether a pod is ready and not on its way out."""
    return _condition(pod, "Ready").get("status") == "True" and "deletionTimestamp" not in pod["metadata"]


def restarts(pods: Iterable[Item]) -> int:
    """Return how often containers of pods were restarted since these pods began, all together."""
    return sum(int(each.get("restartCount", 0)) for each in _containers(pods))


def restarted(pods: Iterable[Item], since: float) -> int:
    """Return how many containers ended after a moment, in seconds since the epoch, in pods that start them again.

    The API keeps the last end of each alone: a container that ended twice counts once.
    """
    ends = (each.get(state, {}).get("terminated") for each in _containers(pods) for state in ("lastState", "state"))
    return sum(moment(end["finishedAt"]) >= since for end in ends if end and end.get("finishedAt"))


def evicted(pod: Item) -> str:
    """Return why a pod was made to go, in the API's own word, such as EvictionByEvictionAPI; nothing where it was not.

    A pod that its owner deletes, as in a rollout, was not evicted.
    """
    if pod.get("status", {}).get("reason") == "Evicted":
        return "Evicted"
    target = _condition(pod, "DisruptionTarget")
    return str(target.get("reason", "")) if target.get("status") == "True" else ""


def serving(slices: Iterable[Item]) -> int:
    """Return how many endpoints of a Service are ready; one with several addresses, or in several slices, counts once.

    `ready` that is not said means that it is, as the API has it.
    """
    found = (endpoint for each in slices for endpoint in each.get("endpoints") or ())
    ready = (endpoint for endpoint in found if endpoint.get("conditions", {}).get("ready") is not False)
    return len({endpoint.get("targetRef", {}).get("uid") or endpoint["addresses"][0] for endpoint in ready})


def rollout(workload: Item) -> str:
    """Return where the rollout of a Deployment or StatefulSet stands, as `kubectl rollout status` would.

    `complete`, `progressing`, or `stuck` where its own deadline for making progress has passed.
    """
    spec, status = workload["spec"], workload.get("status", {})
    wanted = int(spec.get("replicas", 1))
    if _condition(workload, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return "stuck"
    seen = status.get("observedGeneration", 0) >= workload["metadata"]["generation"]
    numbers = ("replicas", "updatedReplicas", "availableReplicas")
    whole = all(int(status.get(name, 0)) == wanted for name in numbers)
    return "complete" if seen and whole and _is_of_one(status) else "progressing"


def spread(pods: Iterable[Item], nodes: Iterable[Item]) -> dict[str, int]:
    """Return how many pods are ready in each zone that has nodes which take pods; one of none is there with 0."""
    zones = {each["metadata"]["name"]: each["metadata"].get("labels", {}).get(_ZONE, "") for each in nodes}
    open_to = {zones[each["metadata"]["name"]] for each in nodes if _takes_pods(each)}
    ready = Counter(zones.get(pod["spec"].get("nodeName", ""), "") for pod in pods if is_ready(pod))
    return {zone: ready[zone] for zone in sorted(open_to | set(ready))}


def _is_of_one(status: Item) -> bool:
    """Whether a StatefulSet has come to its new revision; a Deployment has none."""
    return bool(status.get("currentRevision") == status.get("updateRevision"))


def _takes_pods(node: Item) -> bool:
    taints = node["spec"].get("taints", ())
    return not any(each["effect"] in ("NoSchedule", "NoExecute") for each in taints)


def _condition(item: Item, kind: str) -> Mapping[str, Any]:
    conditions = item.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == kind), {})


def _containers(pods: Iterable[Item]) -> Iterable[Mapping[str, Any]]:
    return (each for pod in pods for each in pod.get("status", {}).get("containerStatuses", ()))


def moment(written: str) -> float:
    """Return a time as the API writes it, in seconds since the epoch."""
    return datetime.fromisoformat(written).timestamp()
