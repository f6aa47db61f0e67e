"""The ledger in the cluster: one object a fault, there before the fault is, readable from any machine.

A fault at targets in a cluster must be found, and undone, after the machine that injected it is gone.
"""

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from runner.cluster import Cluster, cluster
from runner.config import Chosen
from runner.credible import credible
from runner.entry import LEFTOVER, Entry, Site, clusters, is_id, written
from runner.errors import ChaosctlError, Gone, in_one_line
from runner.model import Check, Command, Steps, clock
from runner.remote import guardians, pods
from runner.targets.node import NodeTarget
from runner.targets.object import ObjectTarget

__all__ = ["doubtful", "entries", "forget", "leftovers", "note"]

_UNHEARD = 60.0
"""How many seconds after a fault the cluster may take to hear of its node again."""


def note(entry: Entry) -> None:
    """Put a fault's entry into the clusters that its targets are in, or bring the one there up to date."""
    for environment in clusters(entry):
        at = cluster(environment)
        item = _object(_within(entry, environment), at.pinned.namespace)
        if at.find(_path(at, entry.id)) is None:
            at.create(_path(at), item)
        else:
            at.patch(_path(at, entry.id), {"data": item["data"]})


def _within(entry: Entry, environment: str) -> Entry:
    """Return of an entry what is in that environment's cluster: nobody else reaches the rest by it."""
    return replace(
        entry, sites=tuple(site for site in entry.sites if environment in clusters(replace(entry, sites=(site,))))
    )


def forget(entry: Entry) -> None:
    """Remove a fault's entry, and its guardians: nothing of the fault is left."""
    for environment in clusters(entry):
        at = cluster(environment)
        at.delete(_path(at, entry.id))
        objects = [site.target for site in entry.sites if site.target.startswith("object:")]
        if objects and entry.fault != LEFTOVER:
            guardians.dismiss(at, [target.split("/")[1] for target in objects], entry.id)


def entries(chosen: Chosen) -> tuple[Entry, ...]:
    """Return the faults that the cluster of an environment knows, whoever injected them, oldest first.

    What is not to be obeyed is told by `doubtful`, and keeps nobody from the others.
    """
    at = cluster(chosen.name, chosen.environment.kubernetes)
    found = []
    for item in _noted(at):
        with suppress(ValueError):
            found.append(_named(_read(item), at))
    return tuple(sorted(found, key=lambda entry: entry.started))


def doubtful(chosen: Chosen) -> Mapping[str, ChaosctlError]:
    """Return what the ledger has and is not obeyed, by the id that it is listed under: why, and how it goes away."""
    at, found = cluster(chosen.name, chosen.environment.kubernetes), {}
    for item in _noted(at):
        try:
            _read(item)
        except ValueError as error:
            name = item["metadata"]["name"]
            found[name.removeprefix("fault-")] = _doubt(at, "configmap", name, str(error))
    for pod in _node_pods(at):
        if not is_id(_session(pod)):
            name = pod["metadata"]["name"]
            found[name] = _doubt(at, "pod", name, "it is said to be a node pod, and of no session that chaosctl made")
    return found


def _doubt(at: Cluster, kind: str, name: str, why: str) -> ChaosctlError:
    space = at.pinned.namespace
    return ChaosctlError(
        f"The {kind} {name} in namespace {space} of cluster {at.environment!r} is not obeyed: {in_one_line(why)}. "
        "Whether there is such a fault is unknown; faults end by themselves.",
        f"See what it says and who wrote it: kubectl -n {space} get {kind} {name} -o yaml --show-managed-fields; then "
        f"kubectl -n {space} delete {kind} {name}",
    )


def _noted(at: Cluster) -> Sequence[Mapping[str, Any]]:
    return at.items(_path(at), labelSelector=f"{pods.OURS},{pods.COMPONENT}=fault").items


def _read(item: Mapping[str, Any]) -> Entry:
    return credible(str((item.get("data") or {}).get("entry", "")), item["metadata"]["name"])


def _node_pods(at: Cluster) -> Sequence[Mapping[str, Any]]:
    path = f"/api/v1/namespaces/{at.pinned.namespace}/pods"
    return at.items(path, labelSelector=f"{pods.OURS},{pods.COMPONENT}=node-pod").items


def _node(pod: Mapping[str, Any]) -> str:
    """Return the node that a pod is on; nothing where it never came to one."""
    return str(pod["spec"].get("nodeName", ""))


def _session(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["labels"].get(pods.LABEL, ""))


def leftovers(chosen: Chosen, faults: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the node pods of each runner that is gone, as what is to be undone; `faults` are those of `entries`.

    One pod that ended tells nothing while another works: a runner makes a new one where a node was rebooted. Nor does
    one that is not ready on a node with a live fault: so are all pods of a node that its cluster does not hear of.
    """
    at = cluster(chosen.name, chosen.environment.kubernetes)
    space = f"/api/v1/namespaces/{at.pinned.namespace}"
    found = [pod for pod in _node_pods(at) if is_id(_session(pod))]
    if not found:
        return ()
    begun = at.items(_path(at), labelSelector=f"{pods.OURS},{pods.COMPONENT}=session").items
    owners = {item["metadata"]["name"]: (item.get("data") or {}).get("owner", "") for item in begun}
    struck = _struck(faults)
    working = {_session(pod) for pod in found if _works(pod, struck)}
    sessions: dict[str, Entry] = {}
    for pod in found:
        if (session := _session(pod)) not in working:
            owner = owners.get(pods.session_name(session), "")
            entry = _leftover(at, space, pod, owner if owner and owner.isprintable() else "unknown")
            known = sessions.get(session)
            sessions[session] = replace(entry, sites=known.sites + entry.sites) if known else entry
    return tuple(sessions.values())


def _struck(found: Iterable[Entry]) -> set[str]:
    """Return the nodes that faults are live on, or were until just now."""
    targets = [site.target for entry in found if clock() < entry.deadline + _UNHEARD for site in entry.sites]
    return {target.rpartition("/")[2] for target in targets if target.startswith("node:")}


def _works(pod: Mapping[str, Any], struck: Container[str]) -> bool:
    """Whether a node pod is about to start or at work; one whose node is lost is said to run, and is not ready."""
    status = pod["status"]
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions", ()))
    hears = ready or _node(pod) in struck
    return status.get("phase") == "Pending" or (status.get("phase") == "Running" and hears)


def _leftover(at: Cluster, space: str, pod: Mapping[str, Any], owner: str) -> Entry:
    meta = pod["metadata"]
    session, path = _session(pod), f"{space}/pods/{meta['name']}"
    steps = Steps(
        inject=(),
        undo=tuple(
            Command(("api", "DELETE", each)) for each in (path, f"{space}/configmaps/{pods.session_name(session)}")
        ),
        checks=(Check(Command(("api", "GET", path)), live='"phase": "Running"', absent="not found"),),
    )
    sentence = "node pods were left behind by a runner that is gone"
    name = _node(pod)
    try:
        node = NodeTarget(at, name)
        site = Site(node.name, node.identity(), steps) if name else _of_lost_node(at, pod, steps)
    except Gone:
        site = _of_lost_node(at, pod, steps)
        sentence += f"; node {name} is gone, and what ran there with it"
    return Entry(session, LEFTOVER, sentence, at.environment, owner, 0.0, 0.0, (site,))


def _of_lost_node(at: Cluster, pod: Mapping[str, Any], steps: Steps) -> Site:
    """Return a node pod whose node was deleted: its object alone is left, whatever phase that says."""
    target = ObjectTarget(at, "pod", pod["metadata"]["name"], at.pinned.namespace)
    checks = tuple(replace(check, live="(?!)") for check in steps.checks)
    return Site(target.name, f"pod:{pod['metadata']['uid']}", replace(steps, checks=checks))


def _named(entry: Entry, at: Cluster) -> Entry:
    """Return the entry with the environment's name on this machine: on another it may have another one."""
    sites = []
    for site in entry.sites:
        scheme, _, rest = site.target.partition(":")
        _, _, name = rest.partition("/")
        sites.append(Site(f"{scheme}:{at.environment}/{name}", site.identity, site.steps))
    return Entry(**{**vars(entry), "environment": at.environment, "sites": tuple(sites)})


def _object(entry: Entry, namespace: str) -> dict[str, Any]:
    data = {"sentence": entry.sentence, "owner": entry.owner, "entry": json.dumps(written(entry))}
    return pods.config_map(f"fault-{entry.id}", namespace, "fault", data, {"chaosctl/fault": entry.fault})


def _path(at: Cluster, fault_id: str = "") -> str:
    path = f"/api/v1/namespaces/{at.pinned.namespace}/configmaps"
    return f"{path}/fault-{fault_id}" if fault_id else path
