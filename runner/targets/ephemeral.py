"""A pod reached from within: `ephemeral:payment/redis-cluster-0`, by an ephemeral container of ours in that very pod.

It needs no access to nodes, and leaves a trace: the container ends, but stays in the pod's spec until the pod is made
again. So it is taken only where it is asked for, by `--via=ephemeral`.
"""

from collections.abc import Mapping

from runner.cluster import cluster
from runner.errors import Gone
from runner.remote import ephemeral
from runner.remote.connection import Connection
from runner.remote.target import path_of
from runner.targets.pod import ENDED, PodTarget

__all__ = ["EphemeralTarget", "reach"]


def reach(rest: str) -> "EphemeralTarget":
    """Return the pod; its environment is the first part of its name, or the chosen one."""
    environment, namespace, pod = path_of("ephemeral", rest, 2)
    return EphemeralTarget(cluster(environment), namespace, pod)


class EphemeralTarget(PodTarget):
    """A pod's network namespace, which the agent is in itself."""

    scheme = "ephemeral"

    def agent(self) -> Connection:
        """Return the agent in the pod."""
        return ephemeral.agent(self.cluster, self.path, self.uid)

    def entered(self) -> bool:
        """Return whether a container of this process works in it already."""
        try:
            return ephemeral.works(self.uid)
        except Gone:
            return False

    def stands(self, identity: str) -> bool:
        """Return whether the pod of that identity is there and has not ended, as the API server tells it."""
        found = self.cluster.find(self.path)
        if found is None or found["status"].get("phase") in ENDED:
            return False
        return identity.endswith(f"pod:{found['metadata']['uid']}")

    def about(self) -> Mapping[str, str]:
        """Return nothing: the agent is in the pod's network itself."""
        return {}

    def identity(self) -> str:
        """Return boot id, network and UID, as from the pod's node; raises Gone where the pod is no more."""
        return f"{self.ask('identity')} {self.remembered()}"
