"""An object of a cluster's API, `object:deployment/payment/payment-api` or `object:node/worker-03`; nothing is entered.

It is the same object as long as it has the same UID, whatever becomes of the processes and networks that it stands for.
"""

from collections.abc import Mapping
from typing import Any

from runner.cluster import Cluster, cluster
from runner.config import current
from runner.errors import Gone, Missing, UsageError
from runner.remote.connection import Connection
from runner.remote.target import RemoteTarget

__all__ = ["KINDS", "ObjectTarget", "reach"]

KINDS = {
    "deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "service": "/api/v1/namespaces/{}/services",
    "pod": "/api/v1/namespaces/{}/pods",
    "node": "/api/v1/nodes",
}
"""Where objects of each kind are."""


def reach(rest: str) -> "ObjectTarget":
    """Return the object; its environment is the first part of its name, or the chosen one."""
    environment, *words = rest.split("/")
    if environment in KINDS:
        environment, words = current().name, [environment, *words]
    kind, *names = words or [""]
    if len(names) != {"node": 1}.get(kind, 2) or kind not in KINDS or not all(names):
        raise UsageError(
            f"'object:{rest}' is not a target.", "Write object:deployment/NAMESPACE/NAME, or object:node/NAME."
        )
    return ObjectTarget(cluster(environment), kind, names[-1], names[0] if len(names) == 2 else "")


class ObjectTarget(RemoteTarget):
    """One object; commands there are requests to the API server."""

    def __init__(self, at: Cluster, kind: str, name: str, namespace: str = "") -> None:
        place = "/".join(word for word in (namespace, name) if word)
        self.name = f"object:{at.environment}/{kind}/{place}"
        self.cluster = at
        self.kind = kind
        self.namespace = namespace
        self.path = f"{KINDS[kind].format(namespace)}/{name}"

    def agent(self) -> Connection:
        """Raise Missing: there is no machine to be entered."""
        raise Missing(f"{self.name} is an object of the API: no command can be run there.", "Choose a pod or a node.")

    def about(self) -> Mapping[str, str]:
        """Return nothing: there is no network that could be meant."""
        return {}

    def seen(self) -> dict[str, Any]:
        """Return the object as it is now; raises Gone where there is none."""
        found = self.cluster.find(self.path)
        if found is None:
            raise Gone(f"{self.name} is not there any more.", "`kubectl get` shows what there is.")
        return found

    def identity(self) -> str:
        """Return its UID; raises Gone where it is gone."""
        return f"{self.kind}:{self.seen()['metadata']['uid']}"
