"""What happens to a node and its pods, in order and with times, from what watches tell of them. No I/O."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from probes._workloads import evicted, moment
from runner.remote.pods import MANAGER, US

__all__ = ["Account"]

_LOST = "node.kubernetes.io/unreachable"
_OVER = "Succeeded", "Failed"


@dataclass
class Account:
    """The account of one node; moments are when the watch told, in seconds since the epoch.

    `renewals` are when renewals of its lease arrived here, with the node's own time in each. A pod is `evicted` where
    the cluster made it go, and `gone` where its owner deleted it, as in a rollout, or it had run to its end before.
    """

    node: str
    renewals: list[tuple[float, float]] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    pods: dict[str, dict[str, float]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, float]] = field(default_factory=dict)
    rescheduled: dict[str, float] = field(default_factory=dict)
    ready: str = ""
    tainted: bool = False
    interval: float = 10.0
    _owners: dict[str, str] = field(default_factory=dict)
    _instead: dict[str, bool] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _serving: dict[str, bool] = field(default_factory=dict)

    def lease(self, item: Mapping[str, Any], at: float) -> None:
        """Take in a renewal."""
        self.interval = float(item["spec"].get("leaseDurationSeconds", 40)) / 4
        renewed = moment(item["spec"]["renewTime"])
        if not self.renewals or renewed > self.renewals[-1][1]:
            self.renewals.append((at, renewed))

    def state(self, item: Mapping[str, Any], at: float) -> None:
        """Take in the node's conditions and taints."""
        conditions = item["status"].get("conditions", ())
        ready = next((each["status"] for each in conditions if each["type"] == "Ready"), "Unknown")
        tainted = any(each["key"] == _LOST for each in item["spec"].get("taints", ()))
        if self.ready and ready != self.ready:
            self.steps["ready" if ready == "True" else "unknown"] = at
        if tainted != self.tainted:
            self.steps["tainted" if tainted else "untainted"] = at
        self.ready, self.tainted = ready, tainted

    def pod(self, kind: str, item: Mapping[str, Any], at: float) -> None:
        """Take in a pod, of this node or of another."""
        meta, name = item["metadata"], f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if meta.get("labels", {}).get(MANAGER) == US:
            return  # node pods of ours come and go with other faults
        owner = next((each["uid"] for each in meta.get("ownerReferences", ())), "")
        if item["spec"].get("nodeName") != self.node:
            self._pod_elsewhere(name, owner, item, at)
            return
        self._owners[name] = owner
        seen = self.pods.setdefault(name, {})
        if "deletionTimestamp" in meta or kind == "DELETED":
            self._pod_leaves(name, item, at)
        elif item.get("status", {}).get("phase") in _OVER:
            self._over.add(name)
        conditions = item.get("status", {}).get("conditions", ())
        ready = next((each["status"] for each in conditions if each["type"] == "Ready"), "")
        if ready == "False":
            seen.setdefault("unready", at)
        elif "unready" in seen and name not in self._left:
            seen.setdefault("ready", at)

    def _pod_elsewhere(self, name: str, owner: str, item: Mapping[str, Any], at: float) -> None:
        """Take in a pod that is not here: it is rescheduled if it has a node and came after its owner lost one here."""
        lost = {self._owners.get(each) for each, moments in self.pods.items() if "evicted" in moments}
        instead = self._instead.setdefault(item["metadata"].get("uid", name), bool(owner) and owner in lost)
        if instead and item["spec"].get("nodeName"):
            self.rescheduled.setdefault(name, at)

    def _pod_leaves(self, name: str, item: Mapping[str, Any], at: float) -> None:
        if name not in self._left:
            made_to = evicted(item) and name not in self._over
            self.pods[name]["evicted" if made_to else "gone"] = at

    def slice(self, item: Mapping[str, Any], at: float) -> None:
        """Take in endpoints of a Service: those on this node that are not ready, or not there any more, have left."""
        service = item["metadata"].get("labels", {}).get("kubernetes.io/service-name", item["metadata"]["name"])
        there = {}
        for endpoint in item.get("endpoints") or ():
            if endpoint.get("nodeName") == self.node:
                name = endpoint.get("targetRef", {}).get("name", endpoint["addresses"][0])
                there[f"{item['metadata']['namespace']}/{service} {name}"] = endpoint["conditions"].get("ready", True)
        prefix = f"{item['metadata']['namespace']}/{service} "
        known = {key for key in self._serving if key.startswith(prefix)}
        for key in known | set(there):
            serves = bool(there.get(key, False))
            if self._serving.get(key, False) and not serves:
                self.endpoints[key] = {"left": at}
            elif serves and key in self.endpoints:
                self.endpoints[key].setdefault("returned", at)
            self._serving[key] = serves

    def last_before(self, when: float) -> float | None:
        """Return when the last renewal before a moment arrived."""
        return max((at for at, _ in self.renewals if at <= when), default=None)

    def first_after(self, when: float) -> float | None:
        """Return when the first renewal after a moment arrived."""
        return min((at for at, _ in self.renewals if at > when), default=None)

    @property
    def whole(self) -> bool:
        """Whether the node is ready, without the taint, and every endpoint that left is back or its pod is gone."""
        gone = {name.rpartition("/")[2] for name in self._left}
        back = all("returned" in seen or _pod_of(key) in gone for key, seen in self.endpoints.items())
        return self.ready == "True" and not self.tainted and back

    @property
    def met(self) -> int:
        """How often the workload met the loss: endpoints that left, and pods that were evicted.

        An endpoint whose pod its owner deleted while it was ready left for that reason.
        """
        own = {
            name.rpartition("/")[2]
            for name, seen in self.pods.items()
            if "gone" in seen and seen.get("unready", seen["gone"]) >= seen["gone"]
        }
        return sum(_pod_of(key) not in own for key in self.endpoints) + self.evictions

    @property
    def evictions(self) -> int:
        """How many pods were evicted."""
        return sum("evicted" in seen for seen in self.pods.values())

    @property
    def _left(self) -> set[str]:
        """The pods that are on their way out, or gone."""
        return {name for name, seen in self.pods.items() if seen.keys() & {"evicted", "gone"}}

    def told(self) -> dict[str, Any]:
        """Return all of it as data, for the record."""
        return deepcopy(
            {
                "steps": self.steps,
                "pods": {name: seen for name, seen in self.pods.items() if seen},
                "endpoints": self.endpoints,
                "rescheduled": self.rescheduled,
            }
        )


def _pod_of(endpoint: str) -> str:
    """Return the name of the pod that an endpoint, as it is kept here, is."""
    return endpoint.rpartition(" ")[2]
