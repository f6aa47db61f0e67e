"""What a plan costs in a cluster of 1,000 nodes and 10,000 pods, which kwok simulates on a real API server."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench._kube import chosen_cluster
from lab.kubernetes.binaries import find
from tests._kube import Kube
from tests._kubernetes import here, until

_NODES, _PODS, _SERVICES = 1000, 10_000, 200
_SECONDS, _MEGABYTES = 5.0, 300
_AT_ONCE = 24
_SPACE = "thousand"
_FAKE = "kwok.x-k8s.io/node"
_FAULT = ("network-dns", "--target=redis-cluster", "--duration=60s", f"--namespace={_SPACE}")
_ASKED = {
    "one service, half of it": ("--selector=app=service-7", "--replicas=50%"),
    "the whole namespace": (),
}


def main() -> None:
    """Plan for one service and for all of it, three times each; the promise is five seconds and 300 MB."""
    kwok = find("kwok")
    if kwok is None:
        print("kwok was not built yet, which takes about 5 minutes: chaosctl lab build --kwok")
        return
    with chosen_cluster() as kube, _simulated(kube, kwok):
        found = {name: [_planned(options) for _ in range(3)] for name, options in _ASKED.items()}
    print(f"{_NODES} nodes, {_PODS} pods, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; best of three\n")
    print(f"{'':26} {'targets':>8} {'seconds':>8} {'MB':>6}")
    for name, rounds in found.items():
        targets, seconds, megabytes = (min(column) for column in zip(*rounds, strict=True))
        print(f"{name:26} {targets:8.0f} {seconds:8.2f} {megabytes:6.0f}")
        assert seconds < _SECONDS, f"{_SECONDS:g} s are promised"
        assert megabytes < _MEGABYTES, f"{_MEGABYTES} MB are promised"


def _planned(options: tuple[str, ...]) -> tuple[int, float, float]:
    """Return how many targets a plan names, the seconds it took, and the megabytes."""
    argv = [str(Path(sys.executable).parent / "chaosctl"), "plan", *_FAULT, *options, "--output=json"]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        plan = subprocess.Popen(argv, stdout=said)
        _, _, used = os.wait4(plan.pid, 0)
        took = time.perf_counter() - begun
        said.seek(0)
        told = json.load(said)
    plan.returncode = 0
    return len(told["faults"][0]["targets"]), took, used.ru_maxrss / 1024


@contextmanager
def _simulated(kube: Kube, kwok: Path) -> Iterator[None]:
    """Have nodes and pods that are objects alone, said to be ready and running by kwok."""
    argv = [str(kwok), "--kubeconfig", str(kube.kubeconfig), f"--manage-nodes-with-annotation-selector={_FAKE}=fake"]
    at = here()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as simulating:
        try:
            at.create("/api/v1/namespaces", {"metadata": {"name": _SPACE, "labels": {"chaosctl/faults": "allowed"}}})
            _all(lambda number: at.create("/api/v1/nodes", _node(number)), _NODES)
            _all(lambda number: at.create(f"/api/v1/namespaces/{_SPACE}/pods", _pod(number)), _PODS)
            until("all pods", lambda: _running() == _PODS, 600)
            yield
        finally:
            simulating.terminate()


def _all(make: Callable[[int], object], number: int) -> None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(make, range(number)):
            pass


def _running() -> int:
    pods = here().items(f"/api/v1/namespaces/{_SPACE}/pods", lambda pod: pod["status"].get("phase"))
    return pods.items.count("Running")


def _node(number: int) -> dict[str, Any]:
    room = {"cpu": "32", "memory": "256Gi", "pods": "110"}
    return {
        "metadata": {
            "name": f"node-{number:04}",
            "annotations": {_FAKE: "fake"},
            "labels": {
                "kubernetes.io/hostname": f"node-{number:04}",
                "topology.kubernetes.io/zone": f"az-{number % 3}",
            },
        },
        "spec": {"taints": [{"key": _FAKE, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }


def _pod(number: int) -> dict[str, Any]:
    return {
        "metadata": {"name": f"pod-{number:05}", "labels": {"app": f"service-{number % _SERVICES}"}},
        "spec": {
            "nodeName": f"node-{number % _NODES:04}",
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "none"}],
        },
    }
