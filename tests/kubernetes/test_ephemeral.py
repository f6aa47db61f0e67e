"""Pods reached by an ephemeral container: proven, healed, recovered, limited, and refused where it may not be had."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.network_partition import NetworkPartition
from runner.errors import Missing, Refused, UsageError
from runner.holding import undoing
from runner.model import Command
from runner.plan import plan
from runner.remote import ephemeral
from runner.remote.pods import is_ours
from runner.targets import reach
from tests._cli import chaosctl, started
from tests._inject import injected
from tests._kube import Kube, as_member
from tests._kubernetes import PAYMENT, RESOLVERS, execute, here, left, pod, until

NAMESPACE = "/api/v1/namespaces/payment"
ENFORCE = "pod-security.kubernetes.io/enforce"
LINKS = Command(("ip", "-brief", "link"))
ASKS = {"target": "redis-cluster", "namespace": "payment", "selector": "app=asks", "via": "ephemeral"}


@pytest.fixture
def asks(kube: Any) -> Iterator[str]:
    """A pod that is asked from, and afterwards nothing of ours is in the cluster."""
    with pod("asks", "resolvers", "asks") as name:
        yield name
    assert until("nothing of ours", lambda: not left())


def test_fault_is_had_with_the_rights_of_its_file_alone_and_leaves_its_trace(
    kube: Kube, asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, "chaosctl:ephemeral-faults", tmp_path, monkeypatch):
        made = injected("network-dns", duration="15s", **ASKS)
        assert [name.partition("-")[0] for name in left()] == ["configmaps/fault"], "no pod of ours is needed"
        made.wait()
        made.finish()
        assert made.healed
        assert made.courses[0].ended_how == "deadline"
        ephemeral.release()
    assert len(_ours(asks)) == 1
    assert any("stays in the spec" in note for note in made.account()["notes"])
    until("the end of the container", lambda: _states(asks) == ["terminated"])


def test_killed_runners_fault_is_recovered_by_the_same_way(asks: str) -> None:
    line = "inject", "network-dns", *(f"--{name}={value}" for name, value in ASKS.items()), "--duration=300s"
    with started(*line) as runner:
        assert runner.stdout
        assert any("effective" in line for line in runner.stdout)
        os.killpg(runner.pid, signal.SIGKILL)
    assert not execute(asks, *RESOLVERS["glibc"], "redis-cluster.payment.svc.cluster.local")[0]
    for _ in range(ephemeral.MOST):
        [live] = json.loads(chaosctl("faults", "--output=json").out)
        assert live["state"] == "live"
        assert "not looked at" in next(iter(live["unentered"].values()))
    recovered = chaosctl("recover", live["id"])
    assert recovered.code == 0, recovered.err
    until("the name", lambda: execute(asks, *RESOLVERS["glibc"], "redis-cluster.payment.svc.cluster.local")[0])
    assert len(_ours(asks)) == 2, "who injects and who recovers needs an agent of its own; who only asks adds none"


def test_pod_takes_only_so_many_of_our_containers(asks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ephemeral, "MOST", 2)
    at = reach(f"ephemeral:payment/{asks}")
    assert "eth0" in at.run(LINKS)
    ephemeral.release()
    with pytest.raises(Refused, match=r"has 1 ephemeral containers of chaosctl already.*chaosctl-"):
        at.run(LINKS)
    with undoing():
        assert "eth0" in at.run(LINKS), "the last is kept for that"


def test_where_pod_security_forbids_it_that_is_said(asks: str) -> None:
    here().patch(NAMESPACE, {"metadata": {"labels": {ENFORCE: "baseline"}}})
    try:
        with pytest.raises(Missing, match=r"may be no ephemeral container in asks.*NET_ADMIN") as forbidden:
            injected("network-dns", duration="15s", **ASKS)
    finally:
        here().patch(NAMESPACE, {"metadata": {"labels": {ENFORCE: None}}})
    assert "ephemeral-faults.yaml" in forbidden.value.fix
    assert _ours(asks) == []


def test_who_may_not_is_told_so(kube: Kube, asks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = pytest.raises(Missing, match="may be no ephemeral container in asks")
    with as_member(kube, "chaosctl:pod-faults", tmp_path, monkeypatch), told:
        injected("network-dns", duration="15s", **ASKS)


def test_faults_that_need_more_power_are_refused_beforehand(kube: Any) -> None:

    whom = {"namespace": "payment", "selector": "app=payment-api", "replicas": "1", "via": "ephemeral"}
    with pytest.raises(UsageError, match="network-partition cannot be had by an ephemeral container"):
        plan(NetworkPartition, {"target": "redis-cluster", "port": 6379, "duration": "60s", **whom})


def _ours(name: str) -> list[str]:
    containers = here().get(f"{PAYMENT}/{name}")["spec"].get("ephemeralContainers", ())
    return [each["name"] for each in containers if is_ours(each)]


def _states(name: str) -> list[str]:
    statuses = here().get(f"{PAYMENT}/{name}")["status"].get("ephemeralContainerStatuses", ())
    return [next(iter(each["state"])) for each in statuses]
