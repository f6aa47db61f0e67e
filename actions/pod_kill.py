"""pod-kill: pods are deleted, and whoever owns them has to replace them.

Breaks: each pod that is meant, with the grace period asked for; none by default, as when a node dies. Heals: by the
pod's owner, which makes another. Nothing is undone: what is proven is that the pod went, and that a replacement came
to be ready.
"""

import json
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol, runtime_checkable

from runner.errors import UsageError
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import Command, EndsBy, ProbeCall, Steps
from runner.targets import Target

__all__ = ["PodKill", "pod_kill"]


@runtime_checkable
class _Pod(Protocol):
    """A target that is a pod of a cluster."""

    path: str
    uid: str


def _grace(written: object) -> int:
    """Return whole seconds from a number as written."""
    text = str(written)
    if not text.isdigit() or isinstance(written, bool) or int(text) > 3600:
        raise UsageError(f"{written!r} is no grace period.", "Write whole seconds, at most 3600; 0 kills at once.")
    return int(text)


@dataclass(frozen=True)
class PodKill(Fault):
    """Delete pods, and see them replaced."""

    grace: Annotated[int, _grace, "seconds that the pod's processes get to end by themselves"] = 0

    name: ClassVar = "pod-kill"
    access: ClassVar = "pod-faults"
    ends_by: ClassVar = EndsBy.ONE_SHOT
    mechanism: ClassVar = "the API server: the pod is deleted, if it still is the one that was looked at"
    needs: ClassVar = ("delete on pods in that namespace",)

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} is killed" if "," not in who and "pods" not in who else f"{who} are killed"

    def proof(self, at: Target) -> ProbeCall:
        """Return the looks at the pod and at the others of its owner."""
        pod = _pod(at)
        return ProbeCall("probes.pods:replaced", {"path": pod.path, "uid": pod.uid}, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:  # noqa: ARG002 - it is over at once
        """Return the deletion; one that comes too late for this very pod does nothing."""
        pod = _pod(at)
        options = {"gracePeriodSeconds": self.grace, "preconditions": {"uid": pod.uid}}
        return Steps(
            inject=(Command(("api", "DELETE", pod.path), json.dumps(options)),),
            undo=(),
            checks=(),
            notes=("Nothing is undone: the pod's owner replaces it.",),
        )


def _pod(at: Target) -> _Pod:
    if not isinstance(at, _Pod):
        raise UsageError(
            f"pod-kill acts on pods of a cluster, and {at.name} is none.",
            "Name them with --namespace and --selector, or --on=pod:NAMESPACE/NAME.",
        )
    return at


pod_kill = action(PodKill)
