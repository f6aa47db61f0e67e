"""service-endpoints-loss on a real cluster: no endpoint is left while all pods run, and guardians bring them back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actions.service_endpoints_loss import ServiceEndpointsLoss
from runner.changes import MARK
from runner.errors import Inconclusive, Refused, Residue
from runner.plan import plan
from tests._cli import chaosctl
from tests._inject import injected
from tests._kubernetes import here, left, running, until
from tests.kubernetes._guarded import account, killed, mark, recovered

SERVICES = "/api/v1/namespaces/payment/services"
POOLED = f"{SERVICES}/payment-pooled"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/payment/endpointslices"
LINE = "inject", "service-endpoints-loss", "--on=service:payment/payment-pooled"


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left())
    assert (selector(), mark(POOLED)) == ({"app": "payment-pooled"}, "")
    until("its endpoints", lambda: endpoints() == 2)


def selector() -> dict[str, str]:
    """Return what the Service asks of its pods."""
    found: dict[str, str] = here().get(POOLED)["spec"]["selector"]
    return found


def endpoints() -> int:
    """Return how many are ready."""
    slices = here().items(SLICES, None, labelSelector="kubernetes.io/service-name=payment-pooled").items
    return sum(each["conditions"]["ready"] for found in slices for each in found.get("endpoints") or ())


def test_endpoints_go_while_pods_run_and_come_back_at_the_deadline(nothing_left: None) -> None:
    found = account((*LINE, "--duration=8s"))
    assert found["shares"] == [{"service": "payment/payment-pooled", "picked": 2, "of": 2}]
    assert found["targets"][0]["hits"] == 2


def test_guardians_mend_it_with_the_runner_dead(nothing_left: None, tmp_path: Path) -> None:
    fault_id = killed((*LINE, "--duration=15s"))
    assert (selector()[MARK], endpoints(), len(running("payment-pooled"))) == (fault_id, 0, 2)
    until("the end of the fault", lambda: MARK not in selector())
    recovered(tmp_path, fault_id)


def test_another_machine_undoes_it_long_before(nothing_left: None, tmp_path: Path) -> None:
    recovered(tmp_path, killed((*LINE, "--duration=300s")))


def test_selector_that_somebody_else_changed_in_another_place_is_mended(nothing_left: None) -> None:
    """Only the label that was put there is taken out."""
    made = injected("service-endpoints-loss", where="service:payment/payment-pooled", duration="60s")
    here().patch(POOLED, {"spec": {"selector": {"tier": "none"}}})
    made.stop.set()
    made.finish()
    assert selector() == {"app": "payment-pooled", "tier": "none"}
    here().patch(POOLED, {"spec": {"selector": {"tier": None}}})


def test_label_that_somebody_else_took_for_their_own_is_left_and_told(nothing_left: None) -> None:
    made = injected("service-endpoints-loss", where="service:payment/payment-pooled", duration="60s")
    here().patch(POOLED, {"spec": {"selector": {MARK: "theirs"}}})
    made.stop.set()
    with pytest.raises(Residue, match=r"spec.selector.chaosctl/fault is 'theirs'.*annotate services payment-pooled"):
        made.finish()
    here().patch(POOLED, {"spec": {"selector": {MARK: None}}})
    assert chaosctl("recover", made.id).code == 0


@pytest.mark.parametrize(
    ("whom", "error", "told"),
    [
        ({"where": "service:payment/nothing"}, Inconclusive, "There is no service payment/nothing"),
        ({"where": "service:other/redis-cluster"}, Refused, "Namespace other takes no faults"),
    ],
)
def test_whom_it_does_not_take(kube: Any, whom: dict[str, str], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        plan(ServiceEndpointsLoss, {"duration": "60s", **whom})


def test_service_whose_endpoints_are_kept_by_somebody_else_is_left(kube: Any) -> None:
    with pytest.raises(Inconclusive, match="has no selector"):
        injected("service-endpoints-loss", where="service:payment/mysql", duration="60s")
    assert until("nothing of ours", lambda: not left())
