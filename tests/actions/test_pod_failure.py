"""pod-failure, without a cluster; tests/kubernetes has the rest."""

from typing import Any

import pytest

from actions.pod_failure import PodFailure, _unfit
from runner.errors import UsageError
from runner.model import EndsBy
from runner.plan import plan
from runner.targets import reach


def test_guardians_end_it() -> None:
    assert PodFailure().ends_by is EndsBy.GUARDIAN


def test_what_is_no_pod_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        PodFailure().proof(reach("local"))


def test_without_a_cluster_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="acts on pods of a cluster"):
        plan(PodFailure, {"where": "local"})


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        ({"metadata": {}, "spec": {}}, ""),
        ({"metadata": {}, "spec": {"restartPolicy": "Always"}}, ""),
        ({"metadata": {}, "spec": {"restartPolicy": "OnFailure"}}, "over for good"),
        ({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {}}, "static pod"),
    ],
)
def test_pods_that_would_not_be_the_same_afterwards_are_left(pod: dict[str, Any], reason: str) -> None:
    found = _unfit(pod)
    assert reason in found
    assert bool(reason) == bool(found)
