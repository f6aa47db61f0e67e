"""deployment-scale: Deployments have another number of replicas for a while.

Breaks: pods are taken away, to none with `--to=0`, or added. Heals: guardians in the cluster set the number that was
there before, unless somebody else has set another one meanwhile.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from actions import _objects
from runner.changes import Field
from runner.errors import Inconclusive, Refused, UsageError
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["DeploymentScale", "deployment_scale"]

_SCALERS = "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers"


def _to(written: object) -> str:
    """Return a number of replicas, or a share of those there are, as written."""
    text = str(written)
    if not re.fullmatch(r"\d{1,4}|[1-9]\d?%", text) or isinstance(written, bool):
        raise UsageError(f"{written!r} is no number of replicas.", "Write how many, or a share: 0, 1, 50%.")
    return text


@dataclass(frozen=True)
class DeploymentScale(Fault):
    """Set the replicas of Deployments."""

    to: Annotated[str, _to, "how many replicas, or a share of those there are, rounded down: 0, 1, 50%"]

    name: ClassVar = "deployment-scale"
    access: ClassVar = "workload-faults"
    changes: ClassVar = "deployment"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = _objects.MECHANISM.format("spec.replicas")
    needs: ClassVar = ("patch on deployments in that namespace", "Jobs in our namespace of guardians")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        several = _objects.several(who, "deployment")
        share = " of the" if self.to.endswith("%") else ""
        return f"{who} {'are' if several else 'is'} scaled to {self.to}{share} replica{'s' * (self.to != '1')}"

    def takes(self, replicas: int) -> int:
        """Return how many of so many replicas are taken away."""
        return max(0, replicas - self._wanted(replicas))

    def proof(self, at: Target) -> ProbeCall:
        """Return the watch of its ready pods."""
        where = _objects.the("deployment", at, self.name)
        item = where.seen()
        replicas = _replicas(item)
        arguments = {
            "namespace": where.namespace,
            "selector": _selector(item["spec"]["selector"]),
            "whole": replicas,
            "goal": self._wanted(replicas),
        }
        return ProbeCall("probes.readiness:pods", arguments, stays=True, patience=_objects.PATIENCE, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the change; raises Inconclusive where it would be none, Refused where an autoscaler would fight it."""
        where = _objects.the("deployment", at, self.name)
        item = where.seen()
        replicas = _replicas(item)
        wanted = self._wanted(replicas)
        if wanted == replicas:
            raise Inconclusive(
                f"{at.name} has {replicas} replicas already: nothing would change, and nothing was done.",
                "Choose another number with --to.",
            )
        if wanted and (scaler := _scaler(where, item)):
            raise Refused(
                f"{at.name} is scaled by the HorizontalPodAutoscaler {scaler}, which would set its replicas again.",
                "Take all of them with --to=0, which it leaves alone, or choose another fault, as pod-kill.",
            )
        return _objects.steps(where, fault_id, seconds, item, [Field(("spec", "replicas"), replicas, wanted)])

    def _wanted(self, replicas: int) -> int:
        share, percent, _ = self.to.partition("%")
        return replicas * int(share) // 100 if percent else int(share)


def _replicas(item: Any) -> int:
    return int(item["spec"].get("replicas", 1))


def _scaler(at: _objects.Object, item: Any) -> str:
    """Return the name of the autoscaler that sets a Deployment's replicas; nothing where there is none."""
    for each in _objects.asked(at, _SCALERS.format(at.namespace))["items"]:
        target = each["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) == ("Deployment", item["metadata"]["name"]):
            return str(each["metadata"]["name"])
    return ""


def _selector(wanted: Any) -> str:
    """Return a selector of labels as a query has it."""
    terms = [f"{key}={value}" for key, value in wanted.get("matchLabels", {}).items()]
    for each in wanted.get("matchExpressions", ()):
        key, values = each["key"], ",".join(each.get("values", ()))
        terms.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})"}.get(each["operator"], key))
        if each["operator"] == "DoesNotExist":
            terms[-1] = f"!{key}"
    return ",".join(terms)


deployment_scale = action(DeploymentScale)
