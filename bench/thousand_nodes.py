"""What a plan costs in a cluster of 1,000 nodes and 10,000 pods, which kwok simulates on a real API server."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._kube import chosen_cluster
from lab.kubernetes.binaries import find
from tests._simulated import SPACE, simulated

_NODES, _PODS = 1000, 10_000
_SECONDS, _MEGABYTES = 5.0, 300
_RESTING = 12.0
_FAULT = ("network-dns", "--target=redis-cluster", "--duration=60s", f"--namespace={SPACE}")
_ASKED = {
    "one service, half of it": ("--selector=app=service-7", "--replicas=50%"),
    "the whole namespace": (),
}


def main() -> None:
    """Plan for one service and for all of it, twice each; the promise is five seconds and 300 MB."""
    kwok = find("kwok")
    if kwok is None:
        print("kwok was not built yet, which takes about 5 minutes: chaosctl lab build --kwok")
        return
    with chosen_cluster() as kube, simulated(kube, kwok, _NODES, _PODS) as simulating, _at_rest(simulating):
        found = {name: [_planned(options) for _ in range(2)] for name, options in _ASKED.items()}
        load = os.getloadavg()[0]
    print(f"{_NODES} nodes, {_PODS} pods, {os.cpu_count()} cores, load {load:.1f}; of two\n")
    print(f"{'':26} {'targets':>8} {'best, s':>8} {'worst':>8} {'of processor':>13} {'MB':>6}")
    for name, rounds in found.items():
        targets, seconds, busy, megabytes = (min(column) for column in zip(*rounds, strict=True))
        worst = max(took for _, took, *_ in rounds)
        print(f"{name:26} {targets:8.0f} {seconds:8.2f} {worst:8.2f} {busy:13.2f} {megabytes:6.0f}")
        assert seconds < _SECONDS, f"{_SECONDS:g} s are promised"
        assert megabytes < _MEGABYTES, f"{_MEGABYTES} MB are promised"


@contextmanager
def _at_rest(simulating: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pause kwok: it patches fifty nodes a second, a thousand kubelets three, and it had one of two cores busy.

    Within the 50 s after which the nodes would count as lost.
    """
    simulating.send_signal(signal.SIGSTOP)
    try:
        time.sleep(_RESTING)
        yield
    finally:
        simulating.send_signal(signal.SIGCONT)


def _planned(options: tuple[str, ...]) -> tuple[int, float, float, float]:
    """Return how many targets a plan names, the seconds it took, those of a processor, and the megabytes."""
    argv = [str(Path(sys.executable).parent / "chaosctl"), "plan", *_FAULT, *options, "--output=json"]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        plan = subprocess.Popen(argv, stdout=said)
        _, _, used = os.wait4(plan.pid, 0)
        took = time.perf_counter() - begun
        said.seek(0)
        told = json.load(said)
    plan.returncode = 0
    return len(told["faults"][0]["targets"]), took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
