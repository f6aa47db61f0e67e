"""A halt that holds for a whole cluster: an object there, heeded by every machine that has faults in it."""

from datetime import datetime

from runner.cluster import Cluster, cluster
from runner.config import Chosen
from runner.errors import CommandFailed
from runner.guardrails.halt import Halt
from runner.model import iso
from runner.remote import pods

__all__ = ["declare", "declared", "lift"]

_NAME = "halt"


def declare(chosen: Chosen, halt: Halt) -> None:
    """Call a halt in the cluster of an environment; one that holds there already stays as it is."""
    at = cluster(chosen.name, chosen.environment.kubernetes)
    try:
        data = {"at": iso(halt.at), "who": halt.who, "reason": halt.reason}
        at.create(_path(at), pods.config_map(_NAME, at.pinned.namespace, _NAME, data))
    except CommandFailed as error:
        if error.status != 409:
            raise


def declared(chosen: Chosen) -> Halt | None:
    """Return the halt that holds in the cluster of an environment, or None; raises Unreachable, Missing."""
    at = cluster(chosen.name, chosen.environment.kubernetes)
    found = at.items(_path(at), fieldSelector=f"metadata.name={_NAME}").items
    if not found:
        return None
    told = found[0].get("data") or {}
    try:
        moment = datetime.fromisoformat(told["at"]).timestamp()
    except (KeyError, ValueError):
        moment = datetime.fromisoformat(found[0]["metadata"]["creationTimestamp"]).timestamp()
    return Halt(moment, told.get("who", "somebody"), told.get("reason", ""))


def lift(chosen: Chosen) -> Halt | None:
    """Lift it and return it; None where there was none."""
    at = cluster(chosen.name, chosen.environment.kubernetes)
    found = declared(chosen)
    at.delete(f"{_path(at)}/{_NAME}")
    return found


def _path(at: Cluster) -> str:
    return f"/api/v1/namespaces/{at.pinned.namespace}/configmaps"
