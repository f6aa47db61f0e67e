"""A pod of a Kubernetes cluster: `pod:payment/redis-cluster-0`, reached from a pod of ours on its node.

Nothing in the pod itself is touched or needed: an image without a shell does. Our pod enters its network namespace.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from runner.cluster import Cluster, cluster
from runner.errors import Gone, NoProcess, Unreachable
from runner.remote import nodes
from runner.remote.connection import Connection
from runner.remote.target import RemoteTarget, path_of
from runner.targets import Resolver

__all__ = ["ENDED", "PodTarget", "Whereabouts", "reach"]

ENDED = "Succeeded", "Failed"
"""The phases of a pod that runs no more."""


class Whereabouts(NamedTuple):
    """Which pod of that name it is, and on which node."""

    uid: str
    node: str


def reach(rest: str) -> "PodTarget":
    """Return the pod; its environment is the first part of its name, or the chosen one."""
    environment, namespace, pod = path_of("pod", rest, 2)
    return PodTarget(cluster(environment), namespace, pod)


class PodTarget(RemoteTarget):
    """A pod's network namespace; `seen` saves asking where it is."""

    scheme = "pod"

    def __init__(self, at: Cluster, namespace: str, pod: str, seen: Whereabouts | None = None) -> None:
        self.name = f"{self.scheme}:{at.environment}/{namespace}/{pod}"
        self.cluster = at
        self.path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
        self._seen = seen
        self._resolver: Resolver | None = None
        if seen:
            _SEEN[self.name] = seen

    @property
    def uid(self) -> str:
        """What tells the pod from all others, for ever."""
        return self.seen.uid

    def agent(self) -> Connection:
        """Return the agent on the pod's node."""
        return nodes.agent(self.cluster, self.seen.node)

    def about(self) -> Mapping[str, str]:
        """Return the pod's UID, by which its processes are found."""
        return {"uid": self.seen.uid}

    def resolver(self) -> Resolver:
        """Return the pod's resolver configuration, which the kubelet writes once."""
        if self._resolver is None:
            self._resolver = super().resolver()
        return self._resolver

    def identity(self) -> str:
        """Return boot id, network and UID of the pod that has the name now; raises Gone where none has.

        All else here stays with the pod that it began with.
        """
        known = self.seen
        try:
            return super().identity()
        except Unreachable:
            self._seen = _SEEN[self.name] = self._asked()
            if self._seen == known:
                raise
            return super().identity()

    def known(self) -> str:
        """Return the UID of the pod that has the name now, as the API server alone tells it; raises Gone."""
        found = self.cluster.find(self.path)
        if found is None:
            raise Gone(f"{self.name} is not there any more.", "`kubectl get pods` shows those that are.")
        return f"pod:{found['metadata']['uid']}"

    def remembered(self) -> str:
        """Return the UID of the pod that is meant, in the same way; raises Gone where none of that name is there."""
        return f"pod:{self.seen.uid}"

    def ask(self, do: str, patience: float = 10.0, **arguments: Any) -> Any:
        """Return the agent's answer about this pod; raises Gone where that has no processes because it is over.

        A pod on its way out may have them, and the fault, for as long as its grace period: it is over when the agent
        on its node says so, and not because that agent does not answer.
        """
        try:
            return super().ask(do, patience, **arguments)
        except Unreachable as error:
            if self._is_over(leaving=isinstance(error, NoProcess)):
                raise Gone(f"{self.name} is not there any more: {error.message}", error.fix) from error
            raise

    def _is_over(self, leaving: bool) -> bool:
        """Whether the pod is gone, has ended, or another has its name; `leaving`: or is on its way out."""
        found = self.cluster.find(self.path)
        if found is None or found["metadata"]["uid"] != self.seen.uid:
            return True
        return found["status"].get("phase") in ENDED or (leaving and "deletionTimestamp" in found["metadata"])

    @property
    def seen(self) -> Whereabouts:
        """Which pod is meant, and where it is; raises Gone where none of that name is on a node."""
        if self._seen is None:
            self._seen = _SEEN.get(self.name) or self._asked()
            _SEEN[self.name] = self._seen
        return self._seen

    def _asked(self) -> Whereabouts:
        found = self.cluster.find(self.path)
        if found is None or "nodeName" not in found["spec"] or found["status"].get("phase") in ENDED:
            _SEEN.pop(self.name, None)
            raise Gone(f"{self.name} is not there, or not on a node.", "`kubectl get pods` shows those that are.")
        return Whereabouts(found["metadata"]["uid"], found["spec"]["nodeName"])


_SEEN: dict[str, Whereabouts] = {}
