"""A node that is drained, as its cluster sees it: the proof of node-drain.

What is looked at is what came of it: the node's taint, the pods that left it, and as many ready ones of their owners
elsewhere. Times come from watches: each is when the cluster told of it.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from probes._following import Following
from probes._workloads import is_ready
from runner.cluster import Cluster
from runner.model import Look, Sight, clock, format_duration, iso

__all__ = ["DrainWatch", "watch"]

_TAINT = "node.kubernetes.io/unschedulable"
_TICK = 0.5


class _OnCluster(Protocol):
    cluster: Cluster


class _Pod(NamedTuple):
    name: str
    owner: str
    there: bool
    ready: bool


def watch(at: _OnCluster, node: str, pods: Mapping[str, str]) -> "DrainWatch":
    """Return what watches a node and the pods that are to leave it: their names with namespaces, by UID."""
    return DrainWatch(at.cluster, node, pods)


class DrainWatch:
    """A watch of one node, of the pods that are to leave it, and of all others of their owners."""

    def __init__(self, at: Cluster, node: str, leaving: Mapping[str, str]) -> None:
        self._changed = threading.Condition()
        self._followed = [
            Following(at, "/api/v1/nodes", self._take_node, self._changed, fieldSelector=f"metadata.name={node}"),
            *(
                Following(at, f"/api/v1/namespaces/{namespace}/pods", self._take_pod, self._changed)
                for namespace in sorted({name.partition("/")[0] for name in leaving.values()})
            ),
        ]
        self._node, self._leaving = node, leaving
        self._pods: dict[str, _Pod] = {}
        self._left: dict[str, float] = {}
        self._cordoned = False

    def open(self) -> None:
        """Take in how things are, and watch from there."""
        for each in self._followed:
            each.begin()

    def close(self) -> None:
        """End the watch."""
        for each in self._followed:
            each.end()

    def look(self, before: Look | None) -> Look:
        """Return whether the node is closed and pods have left it, PRESENT, or it is open and all are ready, ABSENT."""
        asked = clock()
        with self._changed:
            if before is None:
                return self._first(asked)
            sight = self._sight(before)
            if sight is Sight.UNCLEAR:
                self._changed.wait(_TICK)
                sight = self._sight(before)
            if lost := [each.lost for each in self._followed if each.lost]:
                told = f"{self._node} cannot be seen: the API server does not answer since {iso(min(lost))}"
                return Look(asked, clock(), Sight.UNCLEAR, told)
            closed = "takes no new pods" if self._cordoned else "takes pods"
            lacking = sum((Counter(before.evidence["ready"]) - self._ready()).values())
            told = (
                f"{self._node} {closed}; {len(self._left)} of {len(self._leaving)} pods left, {lacking} lack elsewhere"
            )
            return Look(asked, clock(), sight, told, {"left": dict(self._left), "lacking": lacking})

    def measured(self, since: float, until: float) -> Sequence[float]:  # noqa: ARG002 - nothing is measured
        """Return nothing: what is seen here is counted, not timed."""
        return ()

    def achieved(self, since: float, until: float) -> Look:
        """Return who left while the fault was there, and who did not; PRESENT where some did."""
        asked = clock()
        with self._changed:
            left = {name: round(at, 3) for name, at in self._left.items() if since <= at <= until}
            stayed = sorted(set(self._leaving.values()) - set(self._left))
        last = f", the last after {format_duration(max(0.001, max(left.values()) - since))}" if left else ""
        told = f"{self._node}: {len(left)} pods left{last}"
        if stayed:
            told += f"; held by their disruption budgets or not gone in time: {', '.join(stayed)}"
        evidence = {"hits": len(left), "left": left, "stayed": stayed}
        return Look(asked, clock(), Sight.PRESENT if left else Sight.UNCLEAR, told, evidence)

    def _first(self, asked: float) -> Look:
        """Return how it is before: without a pod that could leave, nothing would be seen."""
        unready = [pod.name for uid, pod in self._pods.items() if uid in self._leaving and not pod.ready]
        told = f"{self._node} takes pods; {len(self._leaving)} on it may be evicted"
        if self._cordoned or unready or not self._leaving:
            why = "; it is cordoned" * self._cordoned + f"; not ready: {', '.join(unready)}" * bool(unready)
            return Look(asked, clock(), Sight.UNCLEAR, f"{told}{why}")
        return Look(asked, clock(), Sight.ABSENT, told, {"ready": dict(self._ready())})

    def _sight(self, before: Look) -> Sight:
        if self._cordoned:
            return Sight.PRESENT if self._left else Sight.UNCLEAR
        whole = not Counter(before.evidence["ready"]) - self._ready()
        return Sight.ABSENT if whole else Sight.UNCLEAR

    def _ready(self) -> Counter[str]:
        """Return how many pods are ready, by owner."""
        return Counter(pod.owner for pod in self._pods.values() if pod.ready)

    def _take_node(self, _kind: str, item: Mapping[str, Any], _at: float) -> None:
        self._cordoned = any(taint["key"] == _TAINT for taint in item["spec"].get("taints", ()))

    def _take_pod(self, kind: str, item: Mapping[str, Any], at: float) -> None:
        meta = item["metadata"]
        there = kind != "DELETED" and "deletionTimestamp" not in meta
        owner = next((each["uid"] for each in meta.get("ownerReferences", ()) if each.get("controller")), "")
        self._pods[meta["uid"]] = _Pod(f"{meta['namespace']}/{meta['name']}", owner, there, there and is_ready(item))
        if not there:
            del self._pods[meta["uid"]]
            if meta["uid"] in self._leaving:
                self._left.setdefault(self._leaving[meta["uid"]], at)
