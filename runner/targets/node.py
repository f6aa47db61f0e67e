"""A node of a Kubernetes cluster: `node:worker-03`, reached by a privileged pod of ours on it."""

from collections.abc import Mapping
from typing import Any

from runner.cluster import Cluster, cluster
from runner.errors import Gone
from runner.remote import nodes
from runner.remote.connection import Connection
from runner.remote.target import RemoteTarget, path_of

__all__ = ["NodeTarget", "reach"]


def reach(rest: str) -> "NodeTarget":
    """Return the node; its environment is the first part of its name, or the chosen one."""
    environment, node = path_of("node", rest, 1)
    return NodeTarget(cluster(environment), node)


class NodeTarget(RemoteTarget):
    """A node: commands run in its own network, among its own processes."""

    def __init__(self, at: Cluster, node: str) -> None:
        self.name = f"node:{at.environment}/{node}"
        self.cluster = at
        self.node = node
        self._first = ""

    def agent(self) -> Connection:
        """Return the agent in the node's pod."""
        return nodes.agent(self.cluster, self.node)

    def about(self) -> Mapping[str, str]:
        """Return nothing: the agent is in the node's network itself."""
        return {}

    def way_in(self) -> int:
        """Return the kubelet's port: by that the API server reaches our pod on the node."""
        return int(self._found()["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"])

    def identity(self) -> str:
        """Return the node's UID and boot id, as the API server knows them; raises Gone where it is gone."""
        found = self._found()
        return f"boot:{found['status']['nodeInfo']['bootID']} node:{found['metadata']['uid']}"

    def known(self) -> str:
        """Return its UID alone: it is the same node after a boot; raises Gone where it is gone."""
        found = f"node:{self._found()['metadata']['uid']}"
        self._first = self._first or found
        return found

    def remembered(self) -> str:
        """Return the UID that it had first; raises Gone where it was never seen and is gone."""
        return self._first or self.known()

    def _found(self) -> dict[str, Any]:
        found = self.cluster.find(f"/api/v1/nodes/{self.node}")
        if found is None:
            raise Gone(f"There is no node {self.node} in {self.cluster.environment!r}.", "`kubectl get nodes`")
        return found
