"""service-endpoints-loss: Services have no endpoints for a while, though all their pods run.

Breaks: the Service's selector asks for one label more, which no pod has; its endpoints are withdrawn, and its name in
the cluster's DNS leads to nothing that answers. Heals: guardians in the cluster take that label out of the selector
again, unless somebody else has changed it meanwhile.
"""

from dataclasses import dataclass
from typing import ClassVar

from actions import _objects
from runner.changes import MARK, Field
from runner.errors import Inconclusive
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["ServiceEndpointsLoss", "service_endpoints_loss"]


@dataclass(frozen=True)
class ServiceEndpointsLoss(Fault):
    """Take all endpoints of a Service away."""

    name: ClassVar = "service-endpoints-loss"
    access: ClassVar = "workload-faults"
    changes: ClassVar = "service"
    ends_by: ClassVar = EndsBy.GUARDIAN
    mechanism: ClassVar = _objects.MECHANISM.format("spec.selector")
    needs: ClassVar = ("patch on services in that namespace", "Jobs in our namespace of guardians")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} {'have' if _objects.several(who, 'service') else 'has'} no endpoints"

    def proof(self, at: Target) -> ProbeCall:
        """Return the watch of its ready endpoints."""
        where = _objects.the("service", at, self.name)
        arguments = {"namespace": where.namespace, "service": where.seen()["metadata"]["name"]}
        return ProbeCall("probes.readiness:endpoints", arguments, stays=True, patience=_objects.PATIENCE, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the change; raises Inconclusive where the Service's endpoints are not found by labels."""
        where = _objects.the("service", at, self.name)
        item = where.seen()
        if not item["spec"].get("selector"):
            raise Inconclusive(
                f"{at.name} has no selector: its endpoints are kept by somebody else, and nothing was done.",
                "Choose a Service that finds its pods by labels, or network-partition for what is behind this one.",
            )
        note = "Connections that are open go on: only new ones find nobody."
        field = Field(("spec", "selector", MARK), None, fault_id)
        return _objects.steps(where, fault_id, seconds, item, [field], notes=[note])


service_endpoints_loss = action(ServiceEndpointsLoss)
