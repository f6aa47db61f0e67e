"""pod-failure: pods fail and stay, each with its name, its address and its node, until they may run again.

Breaks: the containers' images are such as no registry has, so the node ends the containers and cannot start others: the
pod is not ready and leaves its Services. Nobody replaces it, because it is still there. Heals: guardians in the cluster
name the images again that were there before, and the node starts the containers anew.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from actions import _objects
from runner.changes import Field
from runner.errors import Inconclusive
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["PodFailure", "pod_failure"]

# No registry can ever be of that name (RFC 2606).
_NOWHERE = "chaosctl.invalid"
_MIRROR = "kubernetes.io/config.mirror"


@dataclass(frozen=True)
class PodFailure(Fault):
    """Let pods fail where they are."""

    name: ClassVar = "pod-failure"
    access: ClassVar = "workload-faults"
    changes: ClassVar = "pod"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = _objects.MECHANISM.format("the images of the containers")
    needs: ClassVar = ("patch on pods in that namespace", "Jobs in our namespace of guardians")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} {'fail' if _objects.several(who, 'pod') else 'fails'}"

    def proof(self, at: Target) -> ProbeCall:
        """Return the watch of whether the pod is ready."""
        where = _objects.the("pod", at, self.name)
        arguments = {"namespace": where.namespace, "name": where.seen()["metadata"]["name"], "whole": 1, "goal": 0}
        return ProbeCall("probes.readiness:pods", arguments, stays=True, patience=_objects.PATIENCE, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the change; raises Inconclusive for pods that would not be the same afterwards."""
        where = _objects.the("pod", at, self.name)
        item = where.seen()
        if reason := _unfit(item):
            raise Inconclusive(f"{at.name} {reason}: nothing was done to it.", "Choose another pod, or pod-kill.")
        image = f"{_NOWHERE}/{fault_id}"
        containers = [(each["name"], each["image"]) for each in item["spec"]["containers"]]
        fields = [Field(("spec", "containers", name, "image"), before, image) for name, before in containers]
        note = f"The containers of {at.name} are started anew afterwards: what they kept in memory is lost."
        return _objects.steps(where, fault_id, seconds, item, fields, notes=[note])


def _unfit(pod: Any) -> str:
    """Return why a pod cannot be taken, or nothing."""
    if _MIRROR in pod["metadata"].get("annotations", {}):
        return "is its node's own (a static pod), which the API only mirrors"
    if pod["spec"].get("restartPolicy", "Always") != "Always":
        return "is not restarted when it ends, so that it would be over for good"
    return ""


pod_failure = action(PodFailure)
