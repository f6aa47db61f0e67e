"""The agents in pods themselves: an ephemeral container each, made when first needed, shared, and ended afterwards.

No API removes such a container from its pod again: how many of ours a pod may have is limited.
"""

import atexit
import threading
from collections import defaultdict
from typing import Any

from runner.cluster import Cluster
from runner.errors import CommandFailed, Missing, NoProcess, Refused
from runner.holding import at_release, is_undoing
from runner.ledger import new_id
from runner.remote import nodes, pods
from runner.remote.connection import Connection

__all__ = ["MOST", "agent", "release", "works"]

MOST = 5
"""How many of our containers a pod may come to have; the last of them is kept for undoing."""

_AGENTS: dict[str, Connection] = {}
_STARTING: dict[str, threading.Lock] = defaultdict(threading.Lock)


def agent(at: Cluster, path: str, uid: str) -> Connection:
    """Return the agent in the pod at a path of the API, shared by all of this process until `release`.

    Raises Refused where the pod has too many of our containers already, Missing where it may have none.
    """
    with _STARTING[uid]:
        known = _AGENTS.get(uid)
        if known is None or not known.open:
            known = _AGENTS[uid] = _started(at, path, uid)
        return known


def works(uid: str) -> bool:
    """Return whether the agent in the pod of that UID works, for this process."""
    known = _AGENTS.get(uid)
    return known is not None and known.open


def release() -> None:
    """End all of them; their containers end with their connections."""
    while _AGENTS:
        _AGENTS.popitem()[1].close()


def _started(at: Cluster, path: str, uid: str) -> Connection:
    pod = at.find(path)
    if pod is None or pod["metadata"]["uid"] != uid:
        raise NoProcess(f"The pod {path.rpartition('/')[2]} that was meant is not there any more.")
    meta = pod["metadata"]
    _check_number(f"{meta['namespace']}/{meta['name']}", pod)
    container = pods.ephemeral(new_id(), at.pinned.image)
    made = _added(at, path, container)
    nodes.started(at, made, container["name"])
    client = at.attach(meta["namespace"], meta["name"], container["name"])
    return Connection(f"the container {container['name']} in {meta['name']}", nodes.Attached(client))


def _check_number(name: str, pod: dict[str, Any]) -> None:
    ours = [each["name"] for each in pod["spec"].get("ephemeralContainers", ()) if pods.is_ours(each)]
    if len(ours) >= (MOST if is_undoing() else MOST - 1):
        kept = "" if is_undoing() else f" Of {MOST} that it may come to have, the last is kept for undoing."
        raise Refused(
            f"Pod {name} has {len(ours)} ephemeral containers of chaosctl already, which nobody can remove from it: "
            f"{', '.join(ours)}.{kept}",
            "Let its owner make it again (`kubectl delete pod` or a rollout), or reach it by its node: --via=node.",
        )


def _added(at: Cluster, path: str, container: dict[str, Any]) -> dict[str, Any]:
    change = {"spec": {"ephemeralContainers": [container]}}
    try:
        return at.request("PATCH", f"{path}/ephemeralcontainers", change, "application/strategic-merge-patch+json")
    except (Missing, CommandFailed) as error:
        raise Missing(
            f"There may be no ephemeral container in {path.rpartition('/')[2]}: {error.message}",
            "It needs `patch` on pods/ephemeralcontainers and `create` on pods/attach in that namespace "
            "(deploy/rbac/ephemeral-faults.yaml), and a namespace whose Pod Security level lets containers have "
            "NET_ADMIN (`privileged`). Or reach pods by their nodes: --via=node.",
        ) from error


at_release(release)
atexit.register(release)
