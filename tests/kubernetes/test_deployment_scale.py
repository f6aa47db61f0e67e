"""deployment-scale on a real cluster: pods go and come back, by guardians alone, and nobody's change is overwritten."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from actions.deployment_scale import DeploymentScale
from runner.errors import Inconclusive, Refused
from runner.plan import plan
from tests._cli import chaosctl, proven, started
from tests._inject import injected
from tests._kube import Kube, as_member
from tests._kubernetes import GUARDIANS, here, left, until
from tests.kubernetes._guarded import DEPLOYMENTS, account, elsewhere, guardians, killed, mark, recovered

POOLED = f"{DEPLOYMENTS}/payment-pooled"
LINE = "inject", "deployment-scale", "--on=deployment:payment/payment-pooled", "--to=0"
SCALERS = "/apis/autoscaling/v2/namespaces/payment/horizontalpodautoscalers"


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left())
    assert (replicas(), mark(POOLED)) == (2, "")


def replicas() -> int:
    """Return how many are asked for."""
    return int(here().get(POOLED)["spec"]["replicas"])


def test_all_replicas_go_and_come_back_at_the_deadline(nothing_left: None) -> None:
    found = account((*LINE, "--duration=10s"))
    assert found["sentence"] == "payment-pooled in payment is scaled to 0 replicas for 10s"
    assert found["shares"] == [{"service": "payment/payment-pooled", "picked": 2, "of": 2}]
    assert found["targets"][0]["hits"] >= 2, "both pods left"


def test_guardians_end_it_with_the_runner_dead_and_one_of_them_lost(nothing_left: None, tmp_path: Path) -> None:
    fault_id = killed((*LINE, "--duration=25s"))
    ends = elsewhere(tmp_path, "faults")[0]["deadline"]
    assert (replicas(), mark(POOLED)) == (0, fault_id)
    first, second = guardians()
    assert first["spec"]["nodeName"] != second["spec"]["nodeName"]
    here().delete(f"{GUARDIANS}/{first['metadata']['name']}", gracePeriodSeconds=0)
    until("the end of the fault", lambda: replicas() == 2 and not mark(POOLED))
    assert time.time() >= ends - 2, "clocks of guardians may be two seconds off"
    assert elsewhere(tmp_path, "faults")[0]["state"] == "absent"
    recovered(tmp_path, fault_id)


def test_another_machine_undoes_it_long_before(nothing_left: None, tmp_path: Path) -> None:
    recovered(tmp_path, killed((*LINE, "--duration=300s")))
    assert replicas() == 2


def test_what_somebody_else_set_meanwhile_is_left_and_told(nothing_left: None) -> None:
    with started(*LINE, "--duration=12s") as runner:
        fault_id = proven(runner)
        here().patch(POOLED, {"spec": {"replicas": 1}})
        _, told = runner.communicate(timeout=100)
    assert runner.returncode == 6, told
    assert "spec.replicas is 1 (spec.replicas 2 before and 0 by the fault)" in told
    assert """kubectl -n payment patch deployments payment-pooled -p '{"spec": {"replicas": 2}}'""" in told
    assert replicas() == 1, "it was not overwritten"
    here().patch(POOLED, {"spec": {"replicas": 2}})
    done = chaosctl("recover", fault_id)
    assert done.code == 0, done.err


def test_guardian_without_rights_there_means_no_fault(nothing_left: None) -> None:
    """Its namespace takes faults, but nobody granted workload-faults.yaml in it: an administrator alone may do it."""
    done = chaosctl("inject", "deployment-scale", "--on=deployment:ledger/payment-ledger", "--to=0", "--duration=60s")
    assert done.code == 4, done.err
    assert "A guardian of the fault cannot do its work" in done.err
    assert "forbidden" in done.err
    assert here().get("/apis/apps/v1/namespaces/ledger/deployments/payment-ledger")["spec"]["replicas"] == 1


def test_guardian_without_an_image_means_no_fault(nothing_left: None, kube: Kube, tmp_path: Path) -> None:
    document = yaml.safe_load(kube.configuration.read_text())
    (environment,) = document["environments"].values()
    environment["kubernetes"]["image"] = "chaosctl.invalid/none:1"
    own = tmp_path / "chaosctl.yaml"
    own.write_text(yaml.safe_dump(document))
    done = chaosctl(*LINE, "--duration=60s", CHAOSCTL_CONFIG=str(own))
    assert done.code == 4, done.err
    assert "A guardian of the fault cannot start" in done.err
    assert replicas() == 2


def test_whoever_is_granted_workload_faults_needs_no_more(
    nothing_left: None, kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, "chaosctl:workload-faults", tmp_path, monkeypatch):
        made = injected(
            "deployment-scale", namespace="payment", selector="app=payment-pooled", to="50%", duration="60s"
        )
        assert replicas() == 1
        assert {name.partition("-")[0] for name in left()} == {"configmaps/fault", "jobs/guardian", "pods/guardian"}
        made.stop.set()
        made.finish()
        assert made.healed


def test_autoscaler_is_not_fought(nothing_left: None) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "payment-pooled"}
    here().create(SCALERS, {"metadata": {"name": "pooled"}, "spec": {"maxReplicas": 4, "scaleTargetRef": target}})
    try:
        with pytest.raises(Refused, match=r"HorizontalPodAutoscaler pooled.*--to=0"):
            injected("deployment-scale", where="deployment:payment/payment-pooled", to="1", duration="60s")
    finally:
        here().delete(f"{SCALERS}/pooled")


def test_as_many_as_its_pods_are_counted(kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All Deployments of payment are three, and have seven pods."""
    document = yaml.safe_load(kube.configuration.read_text())
    (environment,) = document["environments"].values()
    environment.setdefault("guardrails", {})["max_targets"] = 6
    own = tmp_path / "chaosctl.yaml"
    own.write_text(yaml.safe_dump(document))
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(own))
    with pytest.raises(Refused, match=r"7 pods are more than environment .* allows \(6\)"):
        plan(DeploymentScale, {"to": 0, "namespace": "payment", "duration": "60s"})
    assert len(plan(DeploymentScale, {"to": 1, "namespace": "payment", "duration": "60s"}).selected.targets) == 3


@pytest.mark.parametrize(
    ("whom", "error", "told"),
    [
        ({"where": "deployment:payment/nothing"}, Inconclusive, "There is no deployment payment/nothing"),
        ({"namespace": "payment", "selector": "app=no"}, Inconclusive, "No deployment matches namespace payment"),
        ({"where": "deployment:customers/traffic"}, Refused, "Namespace customers takes no faults"),
        ({"where": "deployment:kube-system/coredns"}, Refused, "protects the namespace kube-system"),
    ],
)
def test_whom_it_does_not_take(kube: Any, whom: dict[str, str], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        plan(DeploymentScale, {"to": 0, "duration": "60s", **whom})


def test_as_many_as_there_are_is_no_fault(kube: Any) -> None:
    with pytest.raises(Inconclusive, match="has 2 replicas already"):
        injected("deployment-scale", where="deployment:payment/payment-pooled", to="2", duration="60s")
