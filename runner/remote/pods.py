"""The manifests of what chaosctl itself puts into a cluster: config maps and node pods. Pure."""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "COMPONENT",
    "LABEL",
    "MANAGER",
    "OURS",
    "US",
    "config_map",
    "ephemeral",
    "is_ours",
    "node_pod",
    "session",
    "session_name",
]

MANAGER, US = "app.kubernetes.io/managed-by", "chaosctl"
OURS = f"{MANAGER}={US}"
COMPONENT = "app.kubernetes.io/component"
LABEL = "chaosctl/session"
_LIFETIME = 3600


def session(token: str, namespace: str, owner: str) -> dict[str, Any]:
    """Return the object that owns the node pods of one process: when it goes, they go."""
    return config_map(session_name(token), namespace, "session", {"owner": owner}, {LABEL: token})


def config_map(
    name: str, namespace: str, component: str, data: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return an object that keeps something of ours, known by its labels as what it is."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(name, namespace, component, labels or {}),
        "data": dict(data),
    }


def session_name(token: str) -> str:
    """Return the name of that object."""
    return f"session-{token}"


def node_pod(
    token: str, namespace: str, node: str, image: str, owner: Mapping[str, Any], number: int = 0
) -> dict[str, Any]:
    """Return the pod that works on a node: privileged, in the node's own network and among its processes.

    The `number` is how many the session has made before: one that is lost is replaced.

    It ends with its standard input, and in any case after an hour; what it did is ended by the kernel before.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_metadata(f"chaosctl-{token}{number or ''}-{node}", namespace, "node-pod", {LABEL: token}),
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]},
            ],
        },
        "spec": {
            "nodeName": node,
            "hostNetwork": True,
            "hostPID": True,
            "dnsPolicy": "Default",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": _LIFETIME,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "tolerations": [{"operator": "Exists"}],
            "containers": [{**agent(image), "securityContext": {"privileged": True, "runAsUser": 0}}],
        },
    }


def ephemeral(token: str, image: str) -> dict[str, Any]:
    """Return the container that works in a pod of somebody else's: root there, with power over its network alone."""
    powers = {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}, "runAsUser": 0, "runAsNonRoot": False}
    return {**agent(image), "name": f"{US}-{token}", "securityContext": powers}


def is_ours(container: Mapping[str, Any]) -> bool:
    """Whether an ephemeral container was made by chaosctl."""
    return str(container["name"]).startswith(f"{US}-")


def agent(image: str) -> dict[str, Any]:
    """Return a container that runs the agent, until whoever attached to it lets go."""
    return {
        "name": "agent",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "runner.remote.agent"],
        "stdin": True,
        "stdinOnce": True,
    }


def _metadata(name: str, namespace: str, component: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "labels": {MANAGER: US, COMPONENT: component, **labels}}
