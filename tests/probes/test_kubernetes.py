"""What objects say of a workload, on answers that a real API server gave (tests/probes/recorded); no cluster needed."""

import json
from pathlib import Path
from typing import Any

import pytest

from probes import _workloads

_RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> Any:
    return json.loads((_RECORDED / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("name", "stands"),
    [
        ("deployment-complete", "complete"),
        ("deployment-progressing", "progressing"),
        ("deployment-stuck", "stuck"),
        ("statefulset-complete", "complete"),
        ("statefulset-progressing", "progressing"),
    ],
)
def test_rollout_stands_as_the_workload_says(name: str, stands: str) -> None:
    assert _workloads.rollout(recorded(name)) == stands


def test_change_that_no_controller_has_seen_yet_is_not_complete() -> None:
    workload = recorded("deployment-complete")
    workload["metadata"]["generation"] += 1
    assert _workloads.rollout(workload) == "progressing"


def test_ready_pods_are_those_that_stay() -> None:
    assert [_workloads.is_ready(pod) for pod in recorded("pods")] == [True, True, True]
    assert not _workloads.is_ready(recorded("pod-deleted"))


def test_evicted_pod_is_told_from_one_that_was_deleted() -> None:
    assert _workloads.evicted(recorded("pod-evicted")) == "EvictionByEvictionAPI"
    assert _workloads.evicted(recorded("pod-deleted")) == ""
    assert _workloads.evicted(recorded("pods")[0]) == ""


def test_restarts_are_counted_and_the_last_end_has_a_time() -> None:
    pod = recorded("pod-restarted")
    assert _workloads.restarts([pod, *recorded("pods")]) == 1
    [status] = pod["status"]["containerStatuses"]
    ended = _workloads.moment(status["lastState"]["terminated"]["finishedAt"])
    assert _workloads.restarted([pod], ended) >= 1
    assert _workloads.restarted([pod], ended + 3600) == 0


def test_endpoints_in_two_slices_count_once() -> None:
    slices = recorded("slices")
    assert _workloads.serving(slices) == 3
    assert _workloads.serving([*slices, *slices]) == 3
    slices[0]["endpoints"][0]["conditions"]["ready"] = False
    assert _workloads.serving(slices) == 2
    assert _workloads.serving([{**slices[0], "endpoints": None}]) == 0


def test_zone_without_a_ready_pod_counts_and_one_that_takes_none_does_not() -> None:
    pods, nodes = recorded("pods"), recorded("nodes")
    assert _workloads.spread(pods, nodes) == {"az-1": 1, "az-2": 1, "az-3": 1}
    third = [pod for pod in pods if pod["spec"]["nodeName"] != "worker-03"]
    assert _workloads.spread(third, nodes) == {"az-1": 1, "az-2": 1, "az-3": 0}
    for node in nodes:
        if node["metadata"]["name"] == "worker-03":
            node["spec"]["taints"] = [{"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"}]
    assert _workloads.spread(third, nodes) == {"az-1": 1, "az-2": 1}
