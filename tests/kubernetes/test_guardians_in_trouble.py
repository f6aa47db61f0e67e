"""Guardians where a node of theirs is lost, or the API server is away at the deadline: it ends, and is told so."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.processes import inhabitants, namespaces
from runner.lifecycle import Injection
from tests._cli import chaosctl
from tests._inject import injected
from tests._kube import Kube
from tests._kubernetes import here, left, ready, until
from tests.kubernetes._guarded import DEPLOYMENTS, elsewhere, guardians, killed, mark, recovered

POOLED = f"{DEPLOYMENTS}/payment-pooled"
WHOM = {"where": "deployment:payment/payment-pooled", "to": "0"}
SOON = 30.0
"""Seconds in which guardians have done their work, also on a busy machine; a lost pod is replaced after a minute."""


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left(), 180)
    assert (replicas(), mark(POOLED)) == (2, "")


def replicas() -> int:
    """Return how many are asked for."""
    return int(here().get(POOLED)["spec"]["replicas"])


def is_over() -> bool:
    """Return whether the change was taken back."""
    return replicas() == 2 and not mark(POOLED)


def follow(made: Injection) -> None:
    """See an injection to its end."""
    made.wait()
    made.finish()


@contextmanager
def cut_off(kube: Kube, node: str) -> Iterator[None]:
    """Let nothing that is sent to a node arrive there."""
    inside = ["ip", "netns", "exec", kube.lab.namespace(node), "nft"]
    hook = 'type filter hook ingress device "eth0" priority -500; policy drop;'
    subprocess.run([*inside, f"add table netdev lost; add chain netdev lost in {{ {hook} }}"], check=True)
    try:
        yield
    finally:
        subprocess.run([*inside, "delete table netdev lost"], check=True)
        until("the node's return", lambda: ready(here().get(f"/api/v1/nodes/{node}")), 180)


@contextmanager
def away(kube: Kube) -> Iterator[None]:
    """End the API server, and start it again afterwards."""
    held = kube.node("control-plane") / "held" / "kube-apiserver"
    held.parent.mkdir(exist_ok=True)
    held.touch()
    try:
        for pid in inhabitants(namespaces([kube.lab.namespace("control-plane")]).values()):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "kube-apiserver":
                os.kill(pid, signal.SIGKILL)
        yield
    finally:
        held.unlink()
        until("the API server's return", lambda: here().text("/readyz") == "ok", 180)


def test_other_guardian_ends_it_where_the_node_of_one_is_lost(kube: Kube, nothing_left: None, tmp_path: Path) -> None:
    line = ["inject", "deployment-scale", "--on=deployment:payment/payment-pooled", "--to=0", "--duration=25s"]
    fault_id = killed(line)
    ends = elsewhere(tmp_path, "faults")[0]["deadline"]
    first, second = guardians()
    assert first["spec"]["nodeName"] != second["spec"]["nodeName"]
    with cut_off(kube, first["spec"]["nodeName"]):
        assert not is_over()
        until("the end of the fault", is_over)
        assert ends - 2 <= time.time() <= ends + SOON, "by the other, before there could be a third"
    recovered(tmp_path, fault_id)


def test_api_server_that_is_away_at_the_deadline_has_it_ended_when_it_is_back(kube: Kube, nothing_left: None) -> None:
    made = injected("deployment-scale", **WHOM, duration="20s")
    following = threading.Thread(target=follow, args=(made,))
    following.start()
    with away(kube):
        until("the deadline", lambda: time.time() > made.deadline + 3)
        said = chaosctl("faults")
        assert said.code == 4, said.out
        assert "does not answer" in said.err
        assert "where it is a change of objects, within seconds of the server's return" in said.err
        gone = time.time()
    back = time.time()
    until("the end of the fault", is_over)
    assert time.time() < back + SOON
    following.join(300)
    assert not following.is_alive()
    [target] = made.account()["targets"]
    if target["ended"] is None:
        assert "it was not seen to end within" in target["error"]
    else:
        assert target["ended"] > gone, "it was there all the while that nobody could look"
    assert target["healed"] > gone
    assert chaosctl("faults", "--output=json").out.strip() == "[]"
