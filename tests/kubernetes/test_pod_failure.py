"""pod-failure on a real cluster: a pod stays and does not run, until guardians let it run again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.pod_failure import PodFailure
from runner.errors import Inconclusive, Residue
from runner.lifecycle import Injection
from runner.plan import plan
from tests._cli import chaosctl
from tests._inject import injected
from tests._kubernetes import PAYMENT, here, left, pod, ready, running, until
from tests.kubernetes._guarded import DEPLOYMENTS, account, killed, recovered

IMAGE = "chaosctl.lab/payment:lab"
LINE = "inject", "pod-failure", "--namespace=payment", "--selector=app=payment-pooled", "--replicas=1"


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was, with the very same pods."""
    before = uids()
    yield
    assert until("nothing of ours", lambda: not left())
    assert until("the same pods", lambda: uids() == before)
    assert images() == {IMAGE}


def uids() -> set[str]:
    """Return who is ready."""
    return {each["metadata"]["uid"] for each in running("payment-pooled")}


def images() -> set[str]:
    """Return what the pods are to run, ready or not."""
    pods = here().items(PAYMENT, None, labelSelector="app=payment-pooled").items
    return {each["image"] for found in pods for each in found["spec"]["containers"]}


def test_pod_fails_where_it_is_and_runs_again_at_the_deadline(nothing_left: None) -> None:
    found = account((*LINE, "--duration=12s"))
    assert found["shares"] == [{"service": "payment/payment-pooled", "picked": 1, "of": 2}]
    assert "started anew afterwards" in " ".join(found["notes"])


def test_guardians_let_it_run_with_the_runner_dead(nothing_left: None, tmp_path: Path) -> None:
    fault_id = killed((*LINE, "--duration=20s"))
    assert images() == {IMAGE, f"chaosctl.invalid/{fault_id}"}
    assert len(uids()) == 1
    until("the end of the fault", lambda: images() == {IMAGE})
    recovered(tmp_path, fault_id)


def test_another_machine_undoes_it_long_before(nothing_left: None, tmp_path: Path) -> None:
    recovered(tmp_path, killed((*LINE, "--duration=300s")))
    assert images() == {IMAGE}


def test_all_replicas_have_one_pair_of_guardians(nothing_left: None) -> None:
    made = injected("pod-failure", namespace="payment", selector="app=payment-pooled", replicas="all", duration="60s")
    assert len(made.courses) == 2
    assert sum(name.startswith("pods/guardian") for name in left()) == 2
    made.stop.set()
    made.finish()
    assert made.healed


@pytest.mark.parametrize(("replicas", "takes"), [("all", True), ("1", False)])
def test_pod_that_comes_meanwhile_takes_it_where_all_were_meant(kube: Any, replicas: str, takes: bool) -> None:
    """Where one was meant it is left alone, though the one that has the fault does not run."""
    deployment = f"{DEPLOYMENTS}/payment-pooled"
    whom = {"namespace": "payment", "selector": "app=payment-pooled", "replicas": replicas}
    made = injected("pod-failure", **whom, duration="300s")
    before = names()
    here().patch(deployment, {"spec": {"replicas": 3}})
    try:
        [newcomer] = until("another pod", lambda: names() - before)
        if takes:
            until("its failure", lambda: any(newcomer in note and "took it" in note for note in notes(made)), 180)
        else:
            until("that it runs", lambda: ready(here().find(f"{PAYMENT}/{newcomer}")))
    finally:
        made.stop.set()
        made.finish()
        here().patch(deployment, {"spec": {"replicas": 2}})
    had = {target["target"].rpartition("/")[2] for target in made.account()["targets"]}
    assert (newcomer in had) == takes
    assert notes(made)[-1] == f"In the end {3 if takes else 1} of 3 pods of payment/payment-pooled had it."
    assert made.healed, made.account()
    assert until("nothing of ours", lambda: not left())
    assert images() == {IMAGE}


def names() -> set[str]:
    """Return the pods that are there, ready or not."""
    return {each["metadata"]["name"] for each in here().items(PAYMENT, None, labelSelector="app=payment-pooled").items}


def notes(made: Injection) -> list[str]:
    """Return what was noted so far."""
    found: list[str] = made.account()["notes"]
    return found


def test_image_that_somebody_else_set_meanwhile_is_left_and_told(kube: Any) -> None:
    with pod("other", "resolvers", "other"):
        made = injected("pod-failure", where="pod:payment/other", duration="60s")
        here().patch(f"{PAYMENT}/other", _image("chaosctl.lab/pause:lab"), "application/strategic-merge-patch+json")
        made.stop.set()
        with pytest.raises(Residue, match=r"spec.containers.main.image is 'chaosctl.lab/pause:lab'"):
            made.finish()
        before = _image("chaosctl.lab/resolvers:lab")
        here().patch(f"{PAYMENT}/other", before, "application/strategic-merge-patch+json")
        assert chaosctl("recover", made.id).code == 0
    assert until("nothing of ours", lambda: not left())


def test_pod_that_was_deleted_took_the_fault_along(kube: Any) -> None:
    with pod("other", "resolvers", "other"):
        made = injected("pod-failure", where="pod:payment/other", duration="60s")
        here().delete(f"{PAYMENT}/other", gracePeriodSeconds=0)
        until("its end", lambda: here().find(f"{PAYMENT}/other") is None)
        made.wait()
        made.finish()
        assert made.courses[0].ended_how == "gone"
    assert until("nothing of ours", lambda: not left())


def test_nothing_matched_is_inconclusive(kube: Any) -> None:
    with pytest.raises(Inconclusive, match="There is no pod payment/nothing"):
        plan(PodFailure, {"where": "pod:payment/nothing", "duration": "60s"})
    with pytest.raises(Inconclusive, match="No running pod matches namespace payment and selector app=nothing"):
        plan(PodFailure, {"namespace": "payment", "selector": "app=nothing", "duration": "60s"})


def _image(name: str) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "main", "image": name}]}}
