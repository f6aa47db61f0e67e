"""How many are ready, who left and who came back: the proof of faults that take pods or endpoints away through the API.

What is looked at is not what was changed: pods and endpoints are the work of controllers and kubelets. Times come from
watches: each is when the cluster told of it.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from probes._following import Following
from probes._workloads import is_ready
from runner.cluster import Cluster
from runner.model import Look, Sight, clock, format_duration, iso

__all__ = ["Readiness", "endpoints", "pods"]

_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
_PODS = "/api/v1/namespaces/{}/pods"
_TICK = 0.5
# A watch may tell what came of a change before the answer to the change is here.
_AHEAD = 5.0


class _OnCluster(Protocol):
    name: str
    cluster: Cluster


def pods(at: _OnCluster, namespace: str, goal: int, whole: int, selector: str = "", name: str = "") -> "Readiness":
    """Return what watches pods by labels or by name: `whole` are ready without the fault, `goal` with it."""
    query = {"labelSelector": selector} if selector else {"fieldSelector": f"metadata.name={name}"}
    return Readiness(
        at.cluster, _spoken("pods", at, namespace), _PODS.format(namespace), query, _ready_pod, goal, whole
    )


def endpoints(at: _OnCluster, namespace: str, service: str) -> "Readiness":
    """Return what watches the ready endpoints of a Service, of which there are none with the fault."""
    query = {"labelSelector": f"kubernetes.io/service-name={service}"}
    return Readiness(
        at.cluster, _spoken("endpoints", at, namespace), _SLICES.format(namespace), query, _ready_endpoints, 0
    )


def _spoken(what: str, at: _OnCluster, namespace: str) -> str:
    return f"{what} of {namespace}/{at.name.rpartition('/')[2]}"


class Readiness:
    """A watch of how many of something are ready; `whole` is how many have to be before, else one at least."""

    def __init__(
        self,
        at: Cluster,
        what: str,
        path: str,
        query: Mapping[str, str],
        ready: Callable[[Mapping[str, Any]], Iterable[str]],
        goal: int,
        whole: int = 0,
    ) -> None:
        self._changed = threading.Condition()
        self._following = Following(at, path, self._take, self._changed, **query)
        self._what, self._ready = what, ready
        self._goal, self._whole = goal, whole
        self._there: dict[str, frozenset[str]] = {}
        self._events: list[tuple[float, str, bool]] = []
        self._counts: list[tuple[float, int]] = []

    def open(self) -> None:
        """Take in how things are, and watch from there."""
        self._following.begin()

    def close(self) -> None:
        """End the watch."""
        self._following.end()

    def look(self, before: Look | None) -> Look:
        """Return whether as many are ready as before, ABSENT, or as few, or many, as the fault leaves, PRESENT."""
        asked = clock()
        with self._changed:
            if before is None:
                return self._first(asked)
            sight = self._sight(before.evidence["ready"])
            if sight is Sight.UNCLEAR:
                self._changed.wait(_TICK)
                sight = self._sight(before.evidence["ready"])
            if self._following.lost:
                told = f"{self._what} cannot be seen: the API server does not answer since {iso(self._following.lost)}"
                return Look(asked, clock(), Sight.UNCLEAR, told)
            told = f"{self._count} of {before.evidence['ready']} {self._what} are ready"
            return Look(asked, clock(), sight, told, {"ready": self._count})

    def measured(self, since: float, until: float) -> Sequence[float]:  # noqa: ARG002 - nothing is measured
        """Return nothing: what is seen here is counted, not timed."""
        return ()

    def achieved(self, since: float, until: float) -> Look:
        """Return who left and who came while the fault was there; PRESENT where it came to what was asked for."""
        asked = clock()
        with self._changed:
            within = [event for event in self._events if since - _AHEAD <= event[0] <= until]
            left = {name: round(at, 3) for at, name, came in within if not came}
            came = {name: round(at, 3) for at, name, came in within if came}
            reached = next((at for at, count in self._counts if at >= since - _AHEAD and self._is_there(count)), None)
        met = left if self._goal < (self._whole or 1) else came  # those that came back did so when it had ended
        told = [f"{len(met)} {'left' if met is left else 'came'}"]
        told.append(
            f"{self._goal} ready after {format_duration(max(0.001, reached - since))}" if reached else "never all"
        )
        evidence = {"hits": len(met), "left": left, "came": came, "reached": reached}
        return Look(
            asked, clock(), Sight.PRESENT if reached else Sight.UNCLEAR, f"{self._what}: {', '.join(told)}", evidence
        )

    @property
    def _count(self) -> int:
        return len(self._names())

    def _names(self) -> frozenset[str]:
        return frozenset().union(*self._there.values())

    def _first(self, asked: float) -> Look:
        count, wanted = self._count, self._whole or "at least 1"
        whole = count == self._whole if self._whole else count > 0
        told = f"{count} {self._what} are ready"
        sight = Sight.ABSENT if whole else Sight.UNCLEAR
        return Look(asked, clock(), sight, told if whole else f"{told}, not {wanted}", {"ready": count})

    def _sight(self, before: int) -> Sight:
        if self._is_there(self._count, before):
            return Sight.PRESENT
        back = self._count >= before if self._goal < before else self._count <= before
        return Sight.ABSENT if back else Sight.UNCLEAR

    def _is_there(self, count: int, before: int | None = None) -> bool:
        less = self._goal < (self._whole or before or 1)
        return count <= self._goal if less else count >= self._goal

    def _take(self, kind: str, item: Mapping[str, Any], at: float) -> None:
        before = self._names()
        key = item["metadata"]["uid"]
        self._there.pop(key, None)
        if kind != "DELETED":
            self._there[key] = frozenset(self._ready(item))
        now = self._names()
        self._events += [(at, name, False) for name in before - now] + [(at, name, True) for name in now - before]
        self._counts.append((at, len(now)))


def _ready_pod(pod: Mapping[str, Any]) -> list[str]:
    return [pod["metadata"]["name"]] if is_ready(pod) else []


def _ready_endpoints(item: Mapping[str, Any]) -> list[str]:
    return [
        f"{address}"
        for endpoint in item.get("endpoints") or ()
        if endpoint["conditions"].get("ready", True)
        for address in endpoint["addresses"]
    ]
