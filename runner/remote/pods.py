"""The manifests of what chaosctl itself puts into a cluster: sessions and node pods. Pure."""

from collections.abc import Mapping
from typing import Any

__all__ = ["COMPONENT", "LABEL", "OURS", "node_pod", "session"]

OURS = "app.kubernetes.io/managed-by=chaosctl"
COMPONENT = "app.kubernetes.io/component"
LABEL = "chaosctl/session"
_LIFETIME = 3600


def session(token: str, namespace: str, owner: str) -> dict[str, Any]:
    """Return the object that owns the node pods of one process: when it goes, they go."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(f"session-{token}", namespace, "session", token),
        "data": {"owner": owner},
    }


def node_pod(token: str, namespace: str, node: str, image: str, owner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod that works on a node: privileged, in the node's own network and among its processes.

    It ends with its standard input, and in any case after an hour; what it did is ended by the kernel before.
    """
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **_metadata(f"chaosctl-{token}-{node}", namespace, "node-pod", token),
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


def _metadata(name: str, namespace: str, component: str, token: str) -> dict[str, Any]:
    key, _, value = OURS.partition("=")
    labels = {key: value, COMPONENT: component, LABEL: token}
    return {"name": name, "namespace": namespace, "labels": labels}
