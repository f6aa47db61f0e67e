"""network-dns on a real cluster: every pod of a namespace, from inside each of them, by any machine's ledger."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.lifecycle import Injection
from runner.model import clock
from tests._cli import chaosctl, started
from tests._inject import healed, injected
from tests._kubernetes import PAYMENT, RESOLVERS, execute, here, left, pod, running
from tests._kubernetes import until as eventually

STALE = "/apis/apps/v1/namespaces/payment/deployments/payment-stale"
LINE = "inject", "network-dns", "--namespace=payment", "--target=redis-cluster"


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert eventually("nothing of ours", lambda: not left())


def test_every_pod_of_the_namespace_loses_the_name(nothing_left: None) -> None:
    """The user's own line, shorter; a pod with its node's own network is left out, and named."""
    with pod("on-host", "resolvers", "on-host", hostNetwork=True):
        pods = len([each for each in here().items(PAYMENT).items if not each["spec"].get("hostNetwork")])
        done = chaosctl(*LINE, "--duration=10s", "--output=json")
    assert done.code == 0, done.err
    account = json.loads(done.out)
    assert f"{pods} pods in payment cannot resolve redis-cluster for 10s" in done.err
    assert len(account["targets"]) >= pods
    assert all(target["ended_how"] == "deadline" for target in account["targets"])
    assert sum(target["hits"] for target in account["targets"]) > 0
    assert "Left out, because their network is the node's own (hostNetwork): on-host." in account["notes"]


def test_all_resolvers_are_fooled_and_newcomers_too(nothing_left: None) -> None:
    with pod("asks", "resolvers", "asks"):
        for resolver, argv in RESOLVERS.items():
            assert execute("asks", *argv, "redis-cluster.payment.svc.cluster.local")[0], resolver
        made = injected("network-dns", target="redis-cluster", where="", namespace="payment", duration="300s")
        try:
            for resolver, argv in RESOLVERS.items():
                succeeded, said = execute("asks", *argv, "redis-cluster.payment.svc.cluster.local")
                assert not succeeded, f"{resolver} still resolves it: {said}"
                assert execute("asks", *argv, "mysql.payment.svc.cluster.local")[0], resolver
            [gone] = running("payment-stale")[:1]
            here().delete(f"{PAYMENT}/{gone['metadata']['name']}", gracePeriodSeconds=0)
            here().patch(STALE, {"spec": {"replicas": 4}})
            eventually("three newcomers", lambda: len(_took(made)) >= 3, 200)
        finally:
            here().patch(STALE, {"spec": {"replicas": 2}})
            healed(made)
        told = {target["target"]: target["ended_how"] for target in made.account()["targets"]}
        assert told[f"pod:{here().environment}/payment/{gone['metadata']['name']}"] == "gone"
        for resolver, argv in RESOLVERS.items():
            assert execute("asks", *argv, "redis-cluster.payment.svc.cluster.local")[0], resolver


def test_another_machine_sees_and_undoes_what_a_killed_runner_left(nothing_left: None, tmp_path: Path) -> None:
    def there(*words: str) -> Any:
        elsewhere = {"XDG_STATE_HOME": str(tmp_path / "elsewhere"), "SUDO_USER": "bob"}
        done = chaosctl(*words, "--output=json", **elsewhere)
        assert done.code == 0, done.err
        return json.loads(done.out)

    with started(*LINE, "--selector=app=payment-pooled", "--replicas=all", "--duration=300s") as runner:
        assert runner.stdout
        assert any("effective" in line for line in runner.stdout)
        spared = there("recover", "--all")
        assert (spared["undone"], len(spared["in_use"])) == ([], 1), "it is another's, and goes on"
        os.killpg(runner.pid, signal.SIGKILL)

    [live] = [fault for fault in there("faults") if fault["state"] == "live"]
    assert live["fault"] == "network-dns"
    assert live["deadline"] > clock() + 60
    eventually("the end of its node pods", lambda: any(found["fault"] == "node-pod" for found in there("faults")))
    assert live["id"] in there("recover", "--all")["undone"]
    assert there("faults") == []


def _took(made: Injection) -> list[str]:
    return [note for note in made.account()["notes"] if "took it" in note]
