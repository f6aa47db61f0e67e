"""node-drain, without a cluster; tests/kubernetes has the rest."""

import json
import threading
from typing import Any

import pytest

from actions.node_drain import NodeDrain, _stays
from runner.config import Environment, Kubernetes
from runner.errors import ChaosctlError, CommandFailed, Unreachable, UsageError
from runner.fault import Stage
from runner.model import Command, EndsBy, clock
from runner.plan import plan
from runner.targets import reach


def test_guardians_end_it() -> None:
    assert NodeDrain().ends_by is EndsBy.GUARDIAN


def test_what_is_no_node_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        NodeDrain().proof(reach("local"))


def test_without_a_cluster_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="acts on nodes of a cluster"):
        plan(NodeDrain, {"where": "local"})


OWNED = {"ownerReferences": [{"kind": "ReplicaSet", "controller": True}]}


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        (OWNED, ""),
        ({"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}, "DaemonSet"),
        ({**OWNED, "annotations": {"kubernetes.io/config.mirror": "x"}}, "static pod"),
        ({}, "nobody would replace it"),
        ({**OWNED, "namespace": "shop"}, "takes no faults"),
    ],
)
def test_who_stays_and_why(meta: dict[str, Any], reason: str) -> None:
    found = _stays({"metadata": {"namespace": "payment", **meta}}, {"payment"})
    assert reason in found
    assert bool(reason) == bool(found)


def test_namespaces_that_are_protected_or_did_not_agree_are_left() -> None:
    agreed = {"metadata": {"name": "payment", "labels": {"chaosctl/faults": "allowed"}}}
    silent = {"metadata": {"name": "shop"}}
    system = {"metadata": {"name": "kube-system", "labels": {"chaosctl/faults": "allowed"}}}
    kubernetes = Kubernetes(context="x", uid="x")
    for opt_in, expected in ((True, [True, False, False]), (False, [True, True, False])):
        pinned = kubernetes.model_copy(update={"opt_in": opt_in})
        made = NodeDrain().settled(Environment(kind="lab", kubernetes=pinned))
        assert [made._agrees(each) for each in (agreed, silent, system)] == expected


class Node:
    """Stands in for a node with one pod that may be evicted; it is looked at once, and then it is over."""

    name, kind, namespace, path = "object:lab/node/worker-03", "node", "", "/api/v1/nodes/worker-03"

    def __init__(self, over: threading.Event) -> None:
        self.evicted: list[str] = []
        self._over = over

    def seen(self) -> dict[str, Any]:
        return {}

    def run(self, command: Command) -> str:
        _, verb, path = command.argv
        if verb == "POST":
            self.evicted.append(path)
            self._over.set()
            return "{}"
        if path.endswith("/namespaces"):
            return json.dumps({"items": [{"metadata": {"name": "payment", "labels": {"chaosctl/faults": "allowed"}}}]})
        meta = {"namespace": "payment", "name": "a", "uid": "u", **OWNED}
        return json.dumps({"items": [{"metadata": meta, "status": {"phase": "Running"}}]})


@pytest.mark.parametrize(("left", "evicted"), [(60.0, 1), (-0.1, 0)])
def test_nobody_is_evicted_after_the_deadline(left: float, evicted: int) -> None:
    """As by a process that was stopped and goes on: the node takes pods again, and they would be evicted anew."""
    over, now = threading.Event(), clock()
    at: Any = Node(over)
    NodeDrain().act(Stage(at, "aa22", now - 60, now + left, over, None))
    assert len(at.evicted) == evicted


class Answering(Node):
    """Stands in for a node with pods a and b; what each request raises is taken from a list, to its end."""

    def __init__(self, over: threading.Event, asks: int, **raises: list[ChaosctlError]) -> None:
        super().__init__(over)
        self._asks = asks
        self._raises = raises

    def run(self, command: Command) -> str:
        _, verb, path = command.argv
        if verb == "POST":
            self.evicted.append(path.split("/")[-2])
            return self._answered(self.evicted[-1], "{}")
        if "/pods" not in path:
            return super().run(command)
        self._asks -= 1
        if self._asks == 0:
            self._over.set()
        metas = ({"namespace": "payment", "name": name, "uid": name, **OWNED} for name in "ab")
        pods = [{"metadata": meta, "status": {"phase": "Running"}} for meta in metas]
        return self._answered("pods", json.dumps({"items": pods}))

    def _answered(self, key: str, answer: str) -> str:
        if raises := self._raises.get(key):
            raise raises.pop(0)
        return answer


def drained(asks: int, monkeypatch: pytest.MonkeyPatch, **raises: list[ChaosctlError]) -> tuple[list[str], list[str]]:
    """Return whom a drain asked to leave until the node was looked at so often, and what it tells of."""
    monkeypatch.setattr("actions.node_drain._AGAIN", 0.01)
    over, now = threading.Event(), clock()
    at: Any = Answering(over, asks, **raises)
    stage = Stage(at, "aa22", now, now + 60, over, None)
    NodeDrain().act(stage)
    return at.evicted, stage.errors


def test_one_that_cannot_be_evicted_keeps_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API answers 500 where two disruption budgets are for one pod."""
    budgets = CommandFailed("cluster 'lab'", ("POST", "eviction"), 500, "more than one PodDisruptionBudget")
    evicted, errors = drained(3, monkeypatch, a=[budgets, budgets])
    assert evicted == ["a", "b", "a", "b"]
    [told] = errors
    assert told.startswith("payment/a could not be evicted: ")
    assert "more than one PodDisruptionBudget" in told


def test_api_server_that_is_away_for_a_while_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Unreachable("The API server does not answer.")
    assert drained(4, monkeypatch, pods=[away], b=[away]) == (["a", "b", "a", "b"], [])


def test_who_is_on_the_node_may_stay_unknown_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Unreachable("The API server does not answer.")
    evicted, errors = drained(2, monkeypatch, pods=[away, away])
    assert (evicted, errors) == (
        [],
        ["who is on object:lab/node/worker-03 could not be told to the end: The API server does not answer."],
    )
