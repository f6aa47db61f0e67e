"""Experiments with faults that change objects, by plain `chaos run` on a real cluster: proof, verdict and a score."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests._kubernetes import left, until
from tests.e2e.conftest import EXPERIMENTS, chaos_run
from tests.kubernetes.test_experiments import proven

_PATIENCE = 280.0


@pytest.fixture(autouse=True)
def _nothing_left(kube: Any) -> Iterator[None]:
    yield
    assert until("nothing of ours", lambda: not left())


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", ["deployment-scale", "node-drain", "pod-failure"])
def test_experiment_comes_to_a_score(name: str) -> None:
    [target] = proven(chaos_run(EXPERIMENTS / f"{name}.yaml", _PATIENCE, duration="25s"))
    assert target["hits"] > 0


def test_payments_need_the_endpoints() -> None:
    done = chaos_run(EXPERIMENTS / "service-endpoints-loss.yaml", _PATIENCE, duration="25s")
    [target] = proven(done)
    assert target["hits"] == 3
    assert done.code == 1, "without redis-cluster there is nothing to fall back to"
