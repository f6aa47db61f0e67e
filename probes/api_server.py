"""etcd as the API server sees it: the writer's look from a control-plane node, and the API server's own histogram.

The writer says how late answers are, at every quantile; the histogram says whether the cluster itself met them.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import Any, Protocol

from runner.cluster import Cluster
from runner.errors import ChaosctlError
from runner.fault import Watcher
from runner.model import Look, ProbeCall, Sight, format_duration

__all__ = ["ApiServer", "histogram", "quantile", "watch"]

_METRIC = "etcd_request_duration_seconds_bucket{"
_WRITES = re.compile(r'operation="(?:create|update)"')
_SERVERS = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
_BOUND = re.compile(r'le="([^"]+)"')

Histogram = Mapping[float, float]


class _Place(Protocol):
    cluster: Cluster
    node: str

    def watch(self, call: ProbeCall) -> Watcher:
        """Return a look that stays, made there."""


def watch(at: _Place, **arguments: Any) -> "ApiServer":
    """Return the proof of etcd-latency at a node of the control plane; `arguments` are those of probes.etcd:watch."""
    writer = at.watch(ProbeCall("probes.etcd:watch", arguments, stays=True))
    return ApiServer(at.cluster, at.node, writer, arguments["latency"])


class ApiServer:
    """See runner.fault.Watcher: the writer decides, and the histogram has to bear it out where it can be read.

    On a node without an API server the writer is alone.
    """

    def __init__(self, at: Cluster, node: str, writer: Watcher, latency: float) -> None:
        self._at = at
        self._node = node
        self._writer = writer
        self._latency = latency
        self._opened: Histogram | None = None
        self._before: Histogram | None = None
        self._unread = ""

    def open(self) -> None:
        """Begin to write, and note what the API server has seen so far."""
        self._writer.open()
        self._opened = self._read()

    def close(self) -> None:
        """End the writer."""
        self._writer.close()

    def look(self, before: Look | None) -> Look:
        """Return what the writer sees."""
        seen = self._writer.look(before)
        if before is None:
            self._before = self._read()
        return seen

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return how long the writer's requests took."""
        return self._writer.measured(since, until)

    def achieved(self, since: float, until: float) -> Look:
        """Return what writer and histogram came to: PRESENT where the API server met what the writer measured."""
        seen = self._writer.achieved(since, until)
        after = self._read()
        if self._before is None or self._opened is None or after is None:
            told = f"{seen.detail}; of the API server's own histogram nothing is known: {self._unread}"
            return Look(seen.asked, seen.answered, seen.sight, told, {**seen.evidence, "api_server": None})
        own, quiet = _minus(after, self._before), _minus(self._before, self._opened)
        bound = max((bound for bound in own if bound <= self._latency), default=min(own))
        slow, slow_before = _slower(own, bound), _slower(quiet, bound)
        told = (
            f"{seen.detail}; the API server's own histogram: {slow:g} of {own[inf]:g} writes to etcd took longer than "
            f"{format_duration(bound)} ({slow_before:g} of {quiet[inf]:g} before)"
        )
        found = {"writes": own[inf], "slower_than": bound, "slow": slow, "slow_before": slow_before}
        sight = seen.sight if slow > 0 else Sight.UNCLEAR  # less than none: it was started anew, or is another
        ranges = {f"p{100 * share:g}": quantile(own, share) for share in (0.5, 0.9, 0.95, 0.99)}
        figures = {name: f"{low:g} to {high:g} s" for name, (low, high) in ranges.items()}
        return Look(seen.asked, seen.answered, sight, told, {**seen.evidence, "api_server": {**found, **figures}})

    def _read(self) -> Histogram | None:
        """Return what the API server has counted up to now; None where it does not say, with the reason kept."""
        try:
            if self._has_api_server():
                return histogram(self._at.text("/metrics"))
            self._unread = f"{self._node} runs no API server"
        except ChaosctlError as error:
            self._unread = error.message
        return None

    def _has_api_server(self) -> bool:
        own = {each["address"] for each in self._at.get(f"/api/v1/nodes/{self._node}")["status"]["addresses"]}
        slices = self._at.items(_SERVERS, None, labelSelector="kubernetes.io/service-name=kubernetes").items
        return any(own & set(each["addresses"]) for found in slices for each in found["endpoints"])


def histogram(text: str) -> Histogram:
    """Return how many writes to etcd took no longer than each bound, of an API server's /metrics, all kinds together.

    Only the lines that count are taken apart: all of them are some megabytes.
    """
    counts = defaultdict(float, {inf: 0.0})
    for line in text.splitlines():
        if line.startswith(_METRIC) and _WRITES.search(line) and (bound := _BOUND.search(line)):
            counts[float(bound[1])] += float(line.rpartition(" ")[2])
    return dict(counts)


def quantile(counts: Histogram, share: float) -> tuple[float, float]:
    """Return between which two bounds a quantile lies; both are 0 where there was no write."""
    wanted = share * counts[inf]
    bounds = [0.0, *sorted(counts)]
    return next(((low, high) for low, high in pairwise(bounds) if counts[high] >= wanted > 0), (0.0, 0.0))


def _minus(later: Histogram, earlier: Histogram) -> Histogram:
    return {bound: count - earlier.get(bound, 0.0) for bound, count in later.items()}


def _slower(counts: Histogram, bound: float) -> float:
    return counts[inf] - counts.get(bound, 0.0)
