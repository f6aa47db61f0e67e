"""Guardians of faults that are changes of objects in a cluster: a Job there, armed before the change, seen to run.

Two pods of it, on two nodes where there are two, wait for the deadline; a pod that is lost is replaced. They live in a
namespace apart, where no privileged pod is let in: who may make Jobs there has no more power than the guardians. So
those of nodes have another one: who may change Deployments is not to have power over nodes.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from runner.cluster import Cluster
from runner.errors import CommandFailed, Missing, Refused, in_one_line
from runner.model import clock
from runner.remote.guardian import FARTHEST
from runner.remote.pods import LABEL, MANAGER, US

__all__ = ["arm", "dismiss", "job"]

_COUNT = 2
_START = 60.0
_PAUSE = 0.25
_KEPT = 60
_ACCOUNT = "chaosctl-guardian"
_NOBODY = 65532
# What makes the namespace of those of nodes; that of the others is there for all.
_FILES = {"node": "node-faults"}
_HOPELESS = "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerError"


def arm(at: Cluster, kind: str, fault_id: str, avoid: Sequence[str]) -> None:
    """Have guardians for a fault of objects of a kind, whose entry is in the ledger, on other nodes than to `avoid`.

    Raises Missing where they do not come to run, with the reason, and Refused where clocks differ.
    """
    space, sent = at.pinned.guardians(kind), clock()
    try:
        made = at.create(_jobs(space), job(fault_id, at.pinned.namespace, space, at.pinned.image, avoid))
    except CommandFailed as error:
        if error.status == 404:
            raise Missing(
                f"Cluster {at.environment!r} has no namespace {space}, where guardians of faults of {kind}s run.",
                f"An administrator makes it: kubectl apply -f deploy/rbac/{_FILES.get(kind, 'observe')}.yaml",
            ) from error
        if error.status != 409:  # another target of the same fault was first
            raise
    else:
        _compare(datetime.fromisoformat(made["metadata"]["creationTimestamp"]).timestamp(), sent, clock())
    _see_running(at, space, fault_id)


def dismiss(at: Cluster, kinds: Iterable[str], fault_id: str) -> None:
    """Remove the guardians of a fault of objects of these kinds: nothing is left to guard."""
    for space in {at.pinned.guardians(kind) for kind in kinds}:
        at.delete(f"{_jobs(space)}/{_name(fault_id)}", propagationPolicy="Background")


def job(fault_id: str, ledger: str, namespace: str, image: str, avoid: Sequence[str]) -> dict[str, Any]:
    """Return the Job: its pods end well only when all is settled, so that one that was lost is made again."""
    labels = {MANAGER: US, LABEL: fault_id}
    path = f"/api/v1/namespaces/{ledger}/configmaps/fault-{fault_id}"
    return {
        "metadata": {"name": _name(fault_id), "namespace": namespace, "labels": labels},
        "spec": {
            "completions": _COUNT,
            "parallelism": _COUNT,
            "backoffLimit": 1000,
            "ttlSecondsAfterFinished": _KEPT,
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "OnFailure",
                    "serviceAccountName": _ACCOUNT,
                    "terminationGracePeriodSeconds": 1,
                    "enableServiceLinks": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": _NOBODY,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "affinity": _affinity(labels, avoid),
                    "tolerations": [_short("not-ready"), _short("unreachable")],
                    "initContainers": [_container("check", image, path)],
                    "containers": [_container("guard", image, path)],
                },
            },
        },
    }


def _container(what: str, image: str, path: str) -> dict[str, Any]:
    return {
        "name": what,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "runner.remote.guardian", what, path],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": {"cpu": "5m", "memory": "24Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _affinity(labels: dict[str, str], avoid: Sequence[str]) -> dict[str, Any]:
    apart = {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
    wanted: dict[str, Any] = {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": apart}]
        }
    }
    if avoid:
        elsewhere = [{"key": "metadata.name", "operator": "NotIn", "values": [node]} for node in avoid]
        terms = {"nodeSelectorTerms": [{"matchFields": elsewhere}]}
        wanted["nodeAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    return wanted


def _short(taint: str) -> dict[str, Any]:
    """Return how long a guardian bears that its node is lost: it is needed elsewhere before the usual five minutes."""
    key = f"node.kubernetes.io/{taint}"
    return {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 10}


def _jobs(space: str) -> str:
    return f"/apis/batch/v1/namespaces/{space}/jobs"


def _name(fault_id: str) -> str:
    return f"guardian-{fault_id}"


def _compare(theirs: float, sent: float, answered: float) -> None:
    """Refuse where the API server wrote down another time than ours, in whole seconds: guardians go by it."""
    if theirs > answered + FARTHEST or theirs + 1 < sent - FARTHEST:
        raise Refused(
            f"The clock here is {answered - theirs:+.1f} s off that of the API server, by which guardians go: the "
            "fault would not end at its deadline.",
            "Set the clock of this machine right, and try again.",
        )


def _see_running(at: Cluster, space: str, fault_id: str) -> None:
    """Wait until all guardians have seen that they can do their work, and run."""
    path, limit = f"/api/v1/namespaces/{space}/pods", clock() + _START
    while _running(pods := at.items(path, labelSelector=f"{LABEL}={fault_id}").items) < _COUNT:
        if clock() > limit:
            raise Missing(
                f"The guardians of the fault did not come to run within {_START:g} s, and without them it would not "
                f"end by itself: {_waiting(pods)}. Nothing was changed.",
                f"An administrator sees more by `kubectl -n {space} describe job {_name(fault_id)}` meanwhile.",
            )
        threading.Event().wait(_PAUSE)


def _running(pods: Iterable[dict[str, Any]]) -> int:
    """Return how many guard; raises Missing where one has said that it cannot."""
    return sum(_guards(pod) for pod in pods)


def _guards(pod: dict[str, Any]) -> bool:
    status = pod["status"]
    for each in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())):
        ended = each["state"].get("terminated") or each.get("lastState", {}).get("terminated") or {}
        waiting = each["state"].get("waiting", {})
        if ended.get("exitCode"):
            told = in_one_line(ended.get("message", "")) or ended.get("reason", "")
            raise Missing(
                "A guardian of the fault cannot do its work, and without it the fault would not end by itself: "
                f"{told[-400:].rstrip('.')}. Nothing was changed.",
                "Its rights are in deploy/rbac, namespace by namespace. Is kubernetes.image the image of this version?",
            )
        if waiting.get("reason") in _HOPELESS:
            raise Missing(
                f"A guardian of the fault cannot start: {waiting['reason']}: {waiting.get('message', '')[:300]}.",
                "Name an image that the nodes can have: kubernetes.image in chaosctl.yaml. Nothing was changed.",
            )
    return any("running" in each["state"] for each in status.get("containerStatuses", ()))


def _waiting(pods: Sequence[dict[str, Any]]) -> str:
    """Return why pods do not run, as their cluster says it."""
    said = [
        f"{pod['metadata']['name']}: {each.get('message') or each.get('reason')}"
        for pod in pods
        for each in pod["status"].get("conditions", ())
        if each["type"] == "PodScheduled" and each["status"] != "True"
    ]
    return in_one_line("; ".join(said))[:400] or f"{_running(pods)} of {_COUNT} run"
