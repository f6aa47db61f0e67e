"""Workloads as their cluster sees them, for steady states: replicas, rollouts, restarts, evictions, endpoints, zones.

All of them ask the cluster of the chosen environment. What is not there to be told of raises Inconclusive: no workload
of that name and a workload without pods are not the same. What reports a time, or counts what passes, watches from when
it was first asked in this process on, and raises Unreachable while the cluster does not answer.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from probes import _workloads
from probes._following import Following
from runner.cluster import Cluster, cluster
from runner.config import current
from runner.errors import Inconclusive, Unreachable, UsageError
from runner.model import clock, format_duration, parse_duration

__all__ = [
    "endpoints",
    "evictions",
    "ready",
    "ready_replicas",
    "restarted",
    "restarts",
    "rollout",
    "unserved",
    "zone_skew",
    "zones",
]

_KINDS = {"deployment": "deployments", "statefulset": "statefulsets"}
_SERVICE = "kubernetes.io/service-name"
_T = TypeVar("_T")


def ready(namespace: str, selector: str = "") -> int:
    """Return how many pods of a namespace are ready; `selector` as kubectl takes it, here and below.

    Raises Inconclusive where none matches at all.
    """
    return sum(map(_workloads.is_ready, _pods(namespace, selector)))


def ready_replicas(workload: str, namespace: str) -> int:
    """Return how many replicas of `deployment/NAME` or `statefulset/NAME` are ready, as its controller counts them."""
    return int(_workload(workload, namespace).get("status", {}).get("readyReplicas", 0))


def rollout(workload: str, namespace: str) -> str:
    """Return where the rollout of `deployment/NAME` or `statefulset/NAME` stands: complete, progressing or stuck."""
    return _workloads.rollout(_workload(workload, namespace))


def restarts(namespace: str, selector: str = "") -> int:
    """Return how often containers of these pods were restarted since the pods began, all together."""
    return _workloads.restarts(_pods(namespace, selector))


def restarted(namespace: str, within: str, selector: str = "") -> int:
    """Return how many containers of these pods ended within such a time, as `2m`, by the clocks of their nodes."""
    return _workloads.restarted(_pods(namespace, selector), clock() - parse_duration(within))


def endpoints(service: str, namespace: str) -> int:
    """Return how many endpoints of a Service are ready; raises Inconclusive where there is no such Service."""
    slices = _at().items(_slices(service, namespace), None, labelSelector=f"{_SERVICE}={service}").items
    return _workloads.serving(slices)


def zones(namespace: str, selector: str = "") -> int:
    """Return in how many zones these pods are ready."""
    return sum(number > 0 for number in _spread(namespace, selector).values())


def zone_skew(namespace: str, selector: str = "") -> int:
    """Return how many more of these pods are ready in the fullest zone than in the emptiest that takes pods."""
    numbers = _spread(namespace, selector).values()
    return max(numbers) - min(numbers)


def evictions(namespace: str, selector: str = "") -> int:
    """Return how many of these pods were evicted, preempted or deleted with their node since it was first asked.

    A rollout and a deleted pod are none: what made them go has to be said by the API (DisruptionTarget, or Evicted).
    """
    path = f"/api/v1/namespaces/{quote(namespace)}/pods"
    query = {"labelSelector": selector} if selector else {}
    watched = _watched(("evictions", path, selector), lambda at: _Evictions(at, path, query))
    return watched.count()


def unserved(service: str, namespace: str) -> float:
    """Return for how many seconds, all together, a Service had no ready endpoint since this was first asked."""
    path = _slices(service, namespace)
    watched = _watched(
        ("unserved", path, service), lambda at: _Outage(at, path, {"labelSelector": f"{_SERVICE}={service}"})
    )
    return round(watched.seconds(), 3)


class _Watched:
    """What is counted from a watch of a collection, from when it was first asked for until this process ends."""

    def __init__(self, at: Cluster, path: str, query: Mapping[str, str]) -> None:
        self._changed = threading.Condition()
        self._begun = False
        self._following = Following(at, path, self._take, self._changed, **query)
        self._following.begin()
        self._begun = True

    def _take(self, kind: str, item: Mapping[str, Any], at: float) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        if self._following.lost is not None:
            raise Unreachable(
                f"The cluster's account is broken off for {format_duration(clock() - self._following.lost)}.",
                "It goes on, with what was missed as far as it can be seen afterwards, when the API server answers.",
            )


class _Evictions(_Watched):
    """The pods that were made to go; those that were so already when it began are not counted."""

    def __init__(self, at: Cluster, path: str, query: Mapping[str, str]) -> None:
        self._gone: set[str] = set()
        self._before: set[str] = set()
        self._seen = False
        super().__init__(at, path, query)

    def count(self) -> int:
        self._check()
        if not self._seen:
            raise Inconclusive("None of these pods was seen yet: there is nothing to tell of.")
        with self._changed:
            return len(self._gone - self._before)

    def _take(self, _kind: str, item: Mapping[str, Any], _at: float) -> None:
        self._seen = True
        if _workloads.evicted(item):
            (self._gone if self._begun else self._before).add(item["metadata"]["uid"])


class _Outage(_Watched):
    """When a Service had no ready endpoint."""

    def __init__(self, at: Cluster, path: str, query: Mapping[str, str]) -> None:
        self._slices: dict[str, Mapping[str, Any]] = {}
        self._since: float | None = None
        self._total = 0.0
        super().__init__(at, path, query)
        with self._changed:
            self._judge(clock())

    def seconds(self) -> float:
        self._check()
        with self._changed:
            return self._total + (clock() - self._since if self._since is not None else 0.0)

    def _take(self, kind: str, item: Mapping[str, Any], at: float) -> None:
        if kind == "DELETED":
            self._slices.pop(item["metadata"]["uid"], None)
        else:
            self._slices[item["metadata"]["uid"]] = item
        if self._begun:
            self._judge(at)

    def _judge(self, at: float) -> None:
        served = _workloads.serving(self._slices.values()) > 0
        if served and self._since is not None:
            self._total += at - self._since
            self._since = None
        elif not served and self._since is None:
            self._since = at


_WATCHED: dict[tuple[str, ...], Any] = {}
_BEGINNING = threading.Lock()


def _watched(key: tuple[str, ...], begin: Callable[[Cluster], _T]) -> _T:
    at = _at()
    with _BEGINNING:
        if (at.environment, *key) not in _WATCHED:
            _WATCHED[at.environment, *key] = begin(at)
        found: _T = _WATCHED[at.environment, *key]
        return found


def _spread(namespace: str, selector: str) -> dict[str, int]:
    return _workloads.spread(_pods(namespace, selector), _at().items("/api/v1/nodes").items)


def _pods(namespace: str, selector: str) -> list[Any]:
    query = {"labelSelector": selector} if selector else {}
    found = _at().items(f"/api/v1/namespaces/{quote(namespace)}/pods", None, **query).items
    if not found:
        raise Inconclusive(f"No pod in {namespace} matches {selector or 'anything'}: there is nothing to tell of.")
    return found


def _workload(written: str, namespace: str) -> dict[str, Any]:
    kind, _, name = written.partition("/")
    if kind not in _KINDS or not name:
        raise UsageError(f"{written!r} is no workload.", "Write deployment/NAME or statefulset/NAME.")
    found = _at().find(f"/apis/apps/v1/namespaces/{quote(namespace)}/{_KINDS[kind]}/{quote(name)}")
    if found is None:
        raise Inconclusive(f"There is no {written} in {namespace}: there is nothing to tell of.")
    return found


def _slices(service: str, namespace: str) -> str:
    """Return where the endpoints of a Service are; raises Inconclusive where there is no such Service."""
    if _at().find(f"/api/v1/namespaces/{quote(namespace)}/services/{quote(service)}") is None:
        raise Inconclusive(f"There is no Service {service} in {namespace}: there is nothing to tell of.")
    return f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace)}/endpointslices"


def _at() -> Cluster:
    chosen = current()
    return cluster(chosen.name, chosen.environment.kubernetes)
