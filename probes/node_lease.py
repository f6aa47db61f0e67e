"""A node's heartbeats as its cluster sees them: the proof of node-heartbeat-loss, and a probe for experiments.

Times come from watches, not from asking again and again: each is when the cluster told of it.
"""

import threading
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

from probes._following import Following, Take
from probes._node_account import Account
from probes._workloads import moment
from runner.cluster import Cluster
from runner.errors import Inconclusive, Unreachable
from runner.model import Look, Sight, clock, format_duration, iso
from runner.targets import reach

__all__ = ["NodeWatch", "age", "watch"]

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
_MISSED = 1.35
_SETTLE = 1.0
_RETURN = 15.0
_TICK = 0.2
_AHEAD = 2.0
"""How many seconds the node's clock may be ahead where a policy goes by it: so much sooner it lets renewals through."""


class _OnCluster(Protocol):
    cluster: Cluster


def watch(at: _OnCluster, node: str) -> "NodeWatch":
    """Return what watches a node's lease, conditions, pods and endpoints from before a fault until after it."""
    return NodeWatch(at.cluster, node)


def age(node: str) -> float:
    """Return how many seconds ago a node renewed its lease: a probe for experiments; `node` is its name.

    Raises Inconclusive where it has none.
    """
    at = reach(f"node:{node}")
    lease = at.cluster.find(f"{_LEASES}/{node}")  # type: ignore[attr-defined]
    if lease is None:
        raise Inconclusive(f"Node {node} has no lease: it never sent a heartbeat, or is not there.")
    return clock() - moment(lease["spec"]["renewTime"])


class NodeWatch:
    """A watch of one node; `account` is what it has seen."""

    def __init__(self, at: Cluster, node: str) -> None:
        self.account = Account(node)
        self._at = at
        self._node = node
        self._followed: list[Following] = []
        self._changed = threading.Condition()
        self._opened = 0.0
        self._skew = 0.0
        self._asked = 0.0
        self._ended: float | None = None

    def open(self) -> None:
        """Take in how things are, and watch from there."""
        self._opened = clock()
        named = f"metadata.name={self._node}"
        self._follow(_LEASES, lambda _kind, item, at: self.account.lease(item, at), fieldSelector=named)
        self._follow("/api/v1/nodes", lambda _kind, item, at: self.account.state(item, at), fieldSelector=named)
        self._follow(_SLICES, lambda _kind, item, at: self.account.slice(item, at))
        here = self._at.items("/api/v1/pods", fieldSelector=f"spec.nodeName={self._node}")
        for namespace in sorted({pod["metadata"]["namespace"] for pod in here.items}):
            self._follow(f"/api/v1/namespaces/{namespace}/pods", self.account.pod)

    def close(self) -> None:
        """End the watch."""
        for each in self._followed:
            each.end()

    def look(self, before: Look | None) -> Look:
        """Return whether heartbeats come: ABSENT is a node that is whole and renews, PRESENT one that is overdue.

        The first look waits for a renewal, so that the clocks can be compared and the lack of the next one means
        something.
        """
        return self._first() if before is None else self._again(before)

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return the seconds between the renewals that arrived in that time."""
        times = [at for at, _ in self.account.renewals if since <= at <= until]
        return [later - earlier for earlier, later in pairwise(times)]

    def achieved(self, since: float, until: float) -> Look:
        """Return the account of the fault from its beginning to its end: PRESENT where no heartbeat came through.

        Raises Unreachable where the cluster does not tell.
        """
        asked, self._ended = clock(), until
        self._hear_again()
        self._ask()
        with self._changed:
            account = self.account
            through = self._through(since + _SETTLE, until - _SETTLE)
            last = account.last_before(since + _SETTLE)
            told = [f"the last renewal came at {iso(last)}"]
            told += [f"{said} {_after(account.steps.get(name), since)}" for name, said in _SAID.items()]
            left = f"{len(account.endpoints)} endpoints left{_back(account, until)}"
            told.append(f"{left}, {account.evictions} pods evicted")
            sight = Sight.UNCLEAR if through else Sight.PRESENT
            if through:
                told.insert(0, f"{len(through)} renewals came through in spite of it")
            evidence = {"hits": account.met, "last_renewal": last, **account.told()}
        return Look(asked, clock(), sight, f"{self._node}: {'; '.join(told)}", evidence)

    def _first(self) -> Look:
        asked = clock()
        with self._changed:
            wait = 1.5 * self.account.interval + 5
            renewed = self._changed.wait_for(lambda: bool(self._fresh()), wait)
            if not renewed:
                told = f"{self._node} renewed no lease within {format_duration(wait)} even without the fault"
                return Look(asked, clock(), Sight.UNCLEAR, told)
            arrived, written = self._fresh()[-1]
            self._skew = written - arrived
            evidence = {"skew": round(self._skew, 3), "interval": self.account.interval}
            if not self.account.whole:
                return Look(
                    asked, clock(), Sight.UNCLEAR, f"{self._node} is not ready even without the fault", evidence
                )
        told = f"{self._node} is ready and renews its lease every {self.account.interval:g} s"
        return Look(asked, clock(), Sight.ABSENT, f"{told}; its clock is {evidence['skew']:+.3f} s off", evidence)

    def _again(self, before: Look) -> Look:
        """Look once more; returns after a moment where nothing has changed, so that asking on costs nothing.

        Where nothing was heard the lease itself is asked for: a watch that broke off is as silent as a node.
        """
        asked = clock()
        longest = _MISSED * self.account.interval
        if asked - (self.account.last_before(asked) or before.answered) > longest:
            self._ask()
        with self._changed:
            now = clock()
            last = self.account.last_before(now)
            overdue = now - (last or before.answered)
            if overdue > longest:
                told = f"{self._node} has renewed no lease for {format_duration(overdue)}; it is {self._spoken()}"
                return Look(asked, clock(), Sight.PRESENT, told, {"last_renewal": last})
            if self.account.whole:
                return Look(asked, clock(), Sight.ABSENT, self._healed(), self.account.told())
            told = f"{self._node} renews again, and is {self._spoken()}"
            self._changed.wait(_SETTLE)
            return Look(asked, clock(), Sight.UNCLEAR, told)

    def _healed(self) -> str:
        if self._ended is None:
            return f"{self._node} is ready and renews its lease"
        steps, first = self.account.steps, self.account.first_after(self._ended)
        returned = [each["returned"] for each in self.account.endpoints.values() if "returned" in each]
        moments = [("renewed its lease", first), ("was Ready", steps.get("ready"))]
        moments += [("was without the taint", steps.get("untainted"))]
        moments += [(f"had {len(returned)} endpoints back", max(returned, default=None))]
        told = [f"{what} {_after(when, self._ended)}" for what, when in moments if when and when > self._ended]
        return f"{self._node} is ready and renews its lease. After the fault had ended it {'; '.join(told)}"

    def _ask(self) -> None:
        """Take in the lease as it is now, once a second at most; raises Unreachable where the cluster does not say."""
        if clock() - self._asked < _SETTLE:
            return
        item = self._at.find(f"{_LEASES}/{self._node}")
        self._asked = clock()
        with self._changed:
            if item:
                self.account.lease(item, self._asked)

    def _hear_again(self) -> None:
        """Wait until what broke off is followed again; raises Unreachable where that takes too long."""
        limit = clock() + _RETURN
        with self._changed:
            while lost := [each.lost for each in self._followed if each.lost]:
                if clock() > limit:
                    raise Unreachable(
                        f"What became of {self._node} cannot be told: the API server does not answer since "
                        f"{iso(min(lost))}."
                    )
                self._changed.wait(_TICK)

    def _through(self, since: float, until: float) -> list[float]:
        """Return when renewals were sent between two moments, also those that were heard of only later."""
        early = min(_AHEAD, max(0.0, self._skew))
        sent = [min(at, written - self._skew) for at, written in self.account.renewals]
        return [at for at in sent if since < at < until - early]

    def _fresh(self) -> list[tuple[float, float]]:
        """Return the renewals that came while we watched, not the one that was there."""
        return [renewal for renewal in self.account.renewals[1:] if renewal[0] > self._opened]

    def _spoken(self) -> str:
        taint = ", tainted unreachable" if self.account.tainted else ""
        return f"{'ready' if self.account.ready == 'True' else f'Ready={self.account.ready}'}{taint}"

    def _follow(self, path: str, take: Take, **query: str) -> None:
        following = Following(self._at, path, take, self._changed, **query)
        self._followed.append(following)
        following.begin()


_SAID = {"unknown": "Ready=Unknown", "tainted": "tainted"}


def _after(when: float | None, since: float) -> str:
    return f"after {format_duration(max(0.001, when - since))}" if when else "never"


def _back(account: Account, until: float) -> str:
    back = sum(each.get("returned", until) < until for each in account.endpoints.values())
    return f" ({back} of them came back while it lasted)" if back else ""
