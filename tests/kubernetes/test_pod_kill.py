"""pod-kill on a real cluster: the pod goes, and a replacement comes to be ready."""

from pathlib import Path
from typing import Any

import pytest

from actions.pod_kill import PodKill
from runner.errors import Inconclusive
from runner.plan import plan
from tests._inject import injected
from tests._kube import Kube, as_member
from tests._kubernetes import left, pod, running, until


def test_pod_is_killed_and_replaced(kube: Any) -> None:
    before = {each["metadata"]["uid"] for each in until("three pods", lambda: _all_of("payment-api", 3))}
    made = injected("pod-kill", namespace="payment", selector="app=payment-api", replicas="1", duration="90s")
    made.wait()
    made.finish()
    assert made.healed
    [course] = made.courses
    assert course.during
    assert "is gone; 2 of 3 pods of its owner are ready" in course.during.detail
    after = {each["metadata"]["uid"] for each in running("payment-api")}
    assert len(before - after) == 1
    assert left() == []


def test_whoever_may_only_delete_pods_there_needs_no_pod_of_ours(
    kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, "chaosctl:pod-faults", tmp_path, monkeypatch):
        made = injected("pod-kill", namespace="payment", selector="app=payment-api", replicas="1", duration="90s")
        assert [name.partition("-")[0] for name in left()] == ["configmaps/fault"]
        made.wait()
        made.finish()
        assert made.healed
        assert made.account()["shares"] == [{"service": "payment/payment-api", "picked": 1, "of": 3}]
        assert left() == []


def test_pod_without_an_owner_is_not_killed(kube: Any) -> None:
    """Nobody would replace it: there is nothing to learn from it but that it is gone."""
    with pod("lonely", "resolvers", "lonely"):
        with pytest.raises(Inconclusive, match="no owner that would replace it"):
            injected("pod-kill", where="pod:payment/lonely", duration="10s")
        assert running("lonely")


def test_nothing_matched_is_inconclusive(kube: Any) -> None:
    with pytest.raises(Inconclusive, match="No running pod matches namespace payment and selector app=nothing"):
        plan(PodKill, {"namespace": "payment", "selector": "app=nothing", "replicas": "1"})


def _all_of(app: str, count: int) -> list[dict[str, Any]]:
    found = running(app)
    return found if len(found) == count else []
