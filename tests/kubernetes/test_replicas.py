"""A part of a service's pods takes a fault, and keeps its share while pods come and go."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runner.lifecycle import Injection
from tests._cli import chaosctl
from tests._inject import healed, injected
from tests._kubernetes import PAYMENT, here, left, running, until

STALE = "/apis/apps/v1/namespaces/payment/deployments/payment-stale"
WHOM = {"namespace": "payment", "selector": "app=payment-stale", "replicas": "50%"}


@pytest.fixture
def scaled(kube: Any) -> Iterator[None]:
    """Let the service be of two pods again, and assert that nothing of ours is left."""
    try:
        yield
    finally:
        here().patch(STALE, {"spec": {"replicas": 2}})
    assert until("nothing of ours", lambda: not left())


def test_share_of_a_service_is_chosen_by_name_shown_and_kept_up(scaled: None) -> None:
    first, second = sorted(each["metadata"]["name"] for each in running("payment-stale"))
    shown = chaosctl(
        "plan", "network-dns", "--target=redis-cluster", *(f"--{name}={value}" for name, value in WHOM.items()),
        "--output=json",
    )  # fmt: skip
    told = json.loads(shown.out)["faults"][0]
    assert [each["host"] for each in told["targets"]] == [first]
    assert told["blast_radius"] == [{"service": "payment/payment-stale", "picked": 1, "of": 2}]
    made = injected("network-dns", target="redis-cluster", duration="300s", **WHOM)
    try:
        assert _names(made) == [first]
        here().patch(STALE, {"spec": {"replicas": 4}})
        until("two of four", lambda: len(_names(made)) == 2 and len(running("payment-stale")) == 4, 200)
        here().delete(f"{PAYMENT}/{second}", gracePeriodSeconds=0)
        until("four without it", lambda: second not in _running() and len(_running()) == 4, 200)
        here().delete(f"{PAYMENT}/{first}", gracePeriodSeconds=0)
        until("a newcomer in place of the first", lambda: len(_names(made)) == 3, 200)
        until("the end of the first at its node, which may take its grace period", made.courses[0]._is_gone, 200)
    finally:
        healed(made)
    account = made.account()
    assert account["shares"] == [{"service": "payment/payment-stale", "picked": 1, "of": 2}]
    assert "In the end 2 of 4 pods of payment/payment-stale had it." in account["notes"]
    assert second not in _names(made), "it was left alone when the fault came, and is still"
    assert account["targets"][0]["ended_how"] == "gone"


def _names(made: Injection) -> list[str]:
    return [target["target"].rpartition("/")[2] for target in made.account()["targets"]]


def _running() -> list[str]:
    return [each["metadata"]["name"] for each in running("payment-stale")]
