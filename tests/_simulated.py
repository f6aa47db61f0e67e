"""Nodes and pods that are objects of a real API server alone: kwok says that they are ready and run."""

import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests._kube import Kube
from tests._kubernetes import here, until

SPACE = "simulated"
_SERVICES = 200
_AT_ONCE = 8
_PATIENCE = 60.0
_LEASE = 160
"""Each is renewed in a quarter of it; a thousand kubelets, every ten seconds, are for more than two cores."""
_FAKE = "kwok.x-k8s.io/node"
_NODES, _NAMESPACE = "/api/v1/nodes", f"/api/v1/namespaces/{SPACE}"


@contextmanager
def simulated(kube: Kube, kwok: Path, nodes: int, pods: int) -> Iterator[subprocess.Popen[bytes]]:
    """Have so many of them in a namespace of their own, pods of up to 200 services. Yields kwok; nothing is left."""
    argv = [str(kwok), "--kubeconfig", str(kube.kubeconfig), f"--manage-nodes-with-annotation-selector={_FAKE}=fake"]
    argv.append(f"--node-lease-duration-seconds={_LEASE}")
    at, log = here(), kube.lab.state / "kwok.log"
    with log.open("w") as said, subprocess.Popen(argv, stdout=said, stderr=said) as simulating:
        try:
            at.create("/api/v1/namespaces", {"metadata": {"name": SPACE, "labels": {"chaosctl/faults": "allowed"}}})
            _all(lambda number: at.request("POST", _NODES, _node(number), patience=_PATIENCE), nodes)
            until("the namespace's account", lambda: at.find(f"{_NAMESPACE}/serviceaccounts/default"))
            _all(lambda number: at.request("POST", f"{_NAMESPACE}/pods", _pod(number, nodes), patience=_PATIENCE), pods)
            until(f"all pods ({log} says more)", lambda: _running() == pods, 600)
            yield simulating
        finally:
            simulating.terminate()
            _all(lambda number: at.delete(f"{_NAMESPACE}/pods/{_pod_name(number)}", gracePeriodSeconds=0), pods)
            _all(lambda number: at.delete(f"{_NODES}/{_node_name(number)}"), nodes)
            at.delete(_NAMESPACE)
            until("the namespace's end", lambda: at.find(_NAMESPACE) is None, 120)


def _all(work: Callable[[int], object], number: int) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(work, range(number)):
            pass


def _running() -> int:
    return here().items(f"{_NAMESPACE}/pods", lambda pod: pod["status"].get("phase")).items.count("Running")


def _node_name(number: int) -> str:
    return f"simulated-{number:04}"


def _pod_name(number: int) -> str:
    return f"pod-{number:05}"


def _node(number: int) -> dict[str, Any]:
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    name = _node_name(number)
    return {
        "metadata": {
            "name": name,
            "annotations": {_FAKE: "fake"},
            "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": f"az-{number % 3}"},
        },
        "spec": {"taints": [{"key": _FAKE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }


def _pod(number: int, nodes: int) -> dict[str, Any]:
    return {
        "metadata": {"name": _pod_name(number), "labels": {"app": f"service-{number % _SERVICES}"}},
        "spec": {
            "nodeName": _node_name(number % nodes),
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "none"}],
        },
    }
