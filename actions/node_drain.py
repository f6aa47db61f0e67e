"""node-drain: a node takes no new pods, and those on it are evicted, as for maintenance.

Breaks: the node is cordoned and its pods are asked to leave through the eviction API, which their disruption budgets
may refuse for as long as they like. Heals: guardians in the cluster let the node take pods again. Pods that left are
where their owners have replaced them; nobody moves them back.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from actions import _objects
from runner.changes import Field
from runner.config import Environment
from runner.errors import ChaosctlError, CommandFailed, Inconclusive
from runner.fault import Fault, Stage
from runner.lifecycle import action
from runner.model import Command, EndsBy, ProbeCall, Steps, clock
from runner.remote.pods import MANAGER, US
from runner.selection import like
from runner.targets import Target

__all__ = ["NodeDrain", "node_drain"]

_NAMESPACES = "/api/v1/namespaces"
_AGREED = "chaosctl/faults"
_MIRROR = "kubernetes.io/config.mirror"
_OVER = "Succeeded", "Failed"
_REFUSED = 429
_AGAIN = 2.0


@dataclass(frozen=True)
class NodeDrain(Fault):
    """Drain a node, and let it take pods again."""

    name: ClassVar = "node-drain"
    changes: ClassVar = "node"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = _objects.MECHANISM.format("spec.unschedulable, and evictions")
    needs: ClassVar = ("patch on nodes and create on pods/eviction", "Jobs in our namespace of guardians")

    # What the environment says of namespaces: whether they have to agree, and which are never touched.
    opt_in: ClassVar[bool] = True
    protected: ClassVar[tuple[str, ...]] = ()

    def settled(self, environment: Environment | None) -> "NodeDrain":
        """Return the fault with what the environment says of namespaces: evictions go by it too."""
        made = replace(self)
        if environment and environment.kubernetes:
            object.__setattr__(made, "opt_in", environment.kubernetes.opt_in)
            object.__setattr__(made, "protected", environment.guardrails.protected.namespaces)
        return made

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} {'are' if ',' in who else 'is'} drained"

    def proof(self, at: Target) -> ProbeCall:
        """Return the watch of the node, and of the pods that are to leave it."""
        where = _objects.the("node", at, self.name)
        leaving = {uid: name for uid, (name, reason) in self._pods(where).items() if not reason}
        arguments = {"node": where.seen()["metadata"]["name"], "pods": leaving}
        return ProbeCall("probes.drained:watch", arguments, stays=True, patience=_objects.PATIENCE, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the cordon; raises Inconclusive where the node has one, or no pod that could leave."""
        where = _objects.the("node", at, self.name)
        item = where.seen()
        node = item["metadata"]["name"]
        if item["spec"].get("unschedulable"):
            raise Inconclusive(
                f"Node {node} is cordoned already, by somebody else: nothing was done.",
                f"`kubectl uncordon {node}` lets it take pods, or choose another node.",
            )
        found = self._pods(where).values()
        if all(reason for _, reason in found):
            raise Inconclusive(
                f"No pod on node {node} may be evicted: nothing was done. {' '.join(_staying(found))}",
                "Choose a node with pods of namespaces that take faults.",
            )
        field = Field(("spec", "unschedulable"), None, True)
        return _objects.steps(where, fault_id, seconds, item, [field], avoid=[node], notes=list(_staying(found)))

    def act(self, stage: Stage) -> None:
        """Evict the pods, again and again those whose disruption budget refuses it, until the fault is over.

        What goes wrong with one, or for a while with all, is tried again too, and told where it did so to the end. A
        process that was stopped for a while goes on where it was: the deadline may have passed meanwhile.
        """
        where = _objects.the("node", stage.at, self.name)
        wrong: dict[str, str] = {}
        while _goes_on(stage):
            try:
                names = [name for name, reason in self._pods(where).values() if not reason]
            except ChaosctlError as error:
                wrong[""] = f"who is on {where.name} could not be told to the end: {error.message}"
            else:
                wrong = {name: why for name, why in wrong.items() if name in names}
                _evict_all(where, names, stage, wrong)
            stage.over.wait(_AGAIN)
        stage.errors.extend(wrong.values())

    def _pods(self, at: _objects.Object) -> Mapping[str, tuple[str, str]]:
        """Return the node's pods by UID: name with namespace, and why it stays, where it does."""
        node = at.path.rpartition("/")[2]
        agreed = {item["metadata"]["name"] for item in _objects.asked(at, _NAMESPACES)["items"] if self._agrees(item)}
        pods = _objects.asked(at, f"/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")["items"]
        return {
            pod["metadata"]["uid"]: (f"{pod['metadata']['namespace']}/{pod['metadata']['name']}", _stays(pod, agreed))
            for pod in pods
            if pod["metadata"].get("labels", {}).get(MANAGER) != US
            and "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") not in _OVER
        }

    def _agrees(self, namespace: Mapping[str, Any]) -> bool:
        meta = namespace["metadata"]
        if like(self.protected)(meta["name"]):
            return False
        return not self.opt_in or meta.get("labels", {}).get(_AGREED) == "allowed"


def _goes_on(stage: Stage) -> bool:
    return not stage.over.is_set() and clock() < stage.deadline


def _stays(pod: Mapping[str, Any], agreed: Iterable[str]) -> str:
    """Return why a pod is not evicted; nothing for one that is."""
    meta = pod["metadata"]
    owner = next((each["kind"] for each in meta.get("ownerReferences", ()) if each.get("controller")), "")
    if meta["namespace"] not in agreed:
        return "its namespace takes no faults"
    if owner == "DaemonSet":
        return "its DaemonSet would put it there again"
    if _MIRROR in meta.get("annotations", {}):
        return "it is the node's own (a static pod)"
    return "" if owner else "nobody would replace it"


def _staying(found: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Yield who stays, a sentence for each reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in found:
        if reason:
            reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        yield f"Not evicted, because {reason}: {', '.join(sorted(names))}."


def _evict_all(at: _objects.Object, names: Iterable[str], stage: Stage, wrong: dict[str, str]) -> None:
    """Ask pods to leave, and note of each what went wrong the last time."""
    for name in names:
        if not _goes_on(stage):
            return
        try:
            _evict(at, name)
        except ChaosctlError as error:
            wrong[name] = f"{name} could not be evicted: {error.message}"
        else:
            wrong.pop(name, None)


def _evict(at: _objects.Object, name: str) -> None:
    """Ask a pod to leave; a refusal by its disruption budget is an answer, and so is that it is gone."""
    namespace, _, pod = name.partition("/")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    try:
        at.run(Command(("api", "POST", f"{_NAMESPACES}/{namespace}/pods/{pod}/eviction"), json.dumps(body)))
    except CommandFailed as error:
        if error.status not in (_REFUSED, 404):
            raise


node_drain = action(NodeDrain)
