"""The API server goes away while a fault is live: it ends on time all the same, and that is seen when it is back."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lab.zone import ETCD
from runner.errors import Unreachable
from runner.lifecycle import Injection
from tests._inject import injected
from tests._kube import Kube
from tests._kubernetes import here, left, running, until


def test_fault_that_the_kernel_ends(kube: Kube) -> None:
    [one] = running("payment-pooled")[:1]
    where = f"pod:payment/{one['metadata']['name']}"
    ended(kube, injected("network-dns", target="redis-cluster", where=where, duration="12s"))


@pytest.mark.timeout(300)
def test_fault_that_an_admission_policy_ends(kube: Kube) -> None:
    """Nobody hears of a node then, so that all count as lost for a while; the policy lets each of them renew."""
    ended(kube, injected("node-heartbeat-loss", node="worker-03", duration="60s"))


def ended(kube: Kube, made: Injection) -> None:
    """See a fault end while the API server is away, and that this is told as it was."""
    try:
        with api_server_away(kube):
            made.wait()
    finally:
        made.finish()
    [told] = made.account()["targets"]
    assert made.healed, json.dumps(told, indent=1)
    assert (told["ended_how"], told["error"]) == ("deadline", "")
    assert until("nothing of ours", lambda: not left())


@contextmanager
def api_server_away(kube: Kube) -> Iterator[None]:
    """Kill the API server and keep it from starting again."""
    held = kube.node("control-plane") / "held" / "kube-apiserver"
    held.touch()
    try:
        os.kill(_api_server(str(kube.lab.address(ETCD))), signal.SIGKILL)
        until("the API server's end", _is_away)
        yield
    finally:
        held.unlink()
        until("the API server", lambda: not _is_away())


def _api_server(etcd: str) -> int:
    """Return the process of the API server that has that etcd."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            argv = (process / "cmdline").read_bytes()
            if argv.startswith(b"kube-apiserver\0") and f"--etcd-servers=http://{etcd}:".encode() in argv:
                return int(process.name)
    raise AssertionError("no API server runs")


def _is_away() -> bool:
    try:
        here().get("/version")
    except Unreachable:
        return True
    return False
