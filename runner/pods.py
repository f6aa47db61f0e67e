"""Whom a selection means in a cluster: pods of a namespace, or nodes; asked once, and then watched for newcomers."""

import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from runner.cluster import Cluster, cluster
from runner.config import Chosen
from runner.entry import IN_PODS
from runner.errors import ChaosctlError, CommandFailed, Inconclusive, Unreachable, UsageError
from runner.remote.pods import US
from runner.selection import Pick, Selected, Selection, Share, holds, some, wanted
from runner.targets import Target
from runner.targets.ephemeral import EphemeralTarget
from runner.targets.node import NodeTarget
from runner.targets.pod import ENDED, PodTarget, Whereabouts

__all__ = ["Arrivals", "select"]

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_AGAIN = 1.0
_TRACE = (
    f"An ephemeral container, {US}-ID, stays in the spec of each of these pods until that is made again; it has ended.",
)


class _Pod(NamedTuple):
    """What is kept of a pod: 10,000 whole ones would take hundreds of megabytes."""

    namespace: str
    name: str
    uid: str
    node: str
    service: str
    labels: Mapping[str, str]
    on_host: bool
    running: bool
    stays: bool


_Trim = Callable[[Mapping[str, Any]], _Pod]


def select(selection: Selection, chosen: Chosen, enters: bool = True) -> Selected:
    """Return the pods or nodes that are meant; raises Inconclusive where none is there.

    What `enters` the network of pods leaves out those whose network is their node's own.
    """
    at = cluster(chosen.name, chosen.environment.kubernetes)
    if selection.via == "ephemeral" and (selection.node or selection.where.startswith("node:")):
        raise UsageError("--via=ephemeral is a way into pods, and nodes are meant.", "Leave it out.")
    if selection.where:
        return _named(selection, at)
    if selection.node:
        return _nodes([name.strip() for name in selection.node.split(",") if name.strip()], at, selection)
    label = chosen.environment.guardrails.service_label
    return _pods(selection, at, lambda item: _trimmed(item, label, enters))


def _named(selection: Selection, at: Cluster) -> Selected:
    """Return targets written `node:NAME` or `pod:NAMESPACE/NAME`, several with commas, of one kind."""
    words = [word.strip() for word in selection.where.split(",") if word.strip()]
    if all(word.startswith("node:") for word in words):
        return _nodes([word.rpartition("/")[2].removeprefix("node:") for word in words], at, selection)
    schemes = {word.partition(":")[0] for word in words}
    if len(schemes) > 1 or not schemes <= set(IN_PODS):
        raise UsageError(f"--on={selection.where} mixes kinds of targets.", "Name pods, or nodes, or hosts.")
    found, picks = [], []
    for word in words:
        names = word.partition(":")[2].split("/")
        if len(names) not in (2, 3):
            raise UsageError(f"{word!r} is not a pod.", "Write pod:NAMESPACE/NAME.")
        namespace, name = names[-2:]
        target = (EphemeralTarget if "ephemeral" in (*schemes, selection.via) else PodTarget)(at, namespace, name)
        picks.append(Pick(target.name, name, namespace, node=target.seen.node))
        found.append(target)
    notes = _TRACE if any(isinstance(target, EphemeralTarget) for target in found) else ()
    return Selected(tuple(found), ", ".join(pick.host for pick in picks), tuple(picks), notes=notes)


def _nodes(names: list[str], at: Cluster, selection: Selection) -> Selected:
    known = {item["metadata"]["name"]: item for item in at.items("/api/v1/nodes").items}
    if missing := [name for name in names if name not in known]:
        raise Inconclusive(
            f"There is no node {', '.join(missing)} in environment {at.environment!r}: nothing was touched.",
            f"Its nodes are: {', '.join(sorted(known))}.",
        )
    targets = tuple(NodeTarget(at, name) for name in dict.fromkeys(names))
    picks = tuple(Pick(target.name, target.node, node=target.node) for target in targets)
    allowed = {name.strip() for name in selection.allow_node.split(",")}
    carried = tuple(
        (target.node, what)
        for target in targets
        if target.node not in allowed
        for what in _carried(at, known[target.node])
    )
    return Selected(targets, ", ".join(target.node for target in targets), picks, carried=carried)


def _carried(at: Cluster, node: Mapping[str, Any]) -> list[str]:
    """Return what is on a node that must not go with it: the control plane, the cluster's DNS, what watches us."""
    meta = node["metadata"]
    found = ["the control plane"] if _CONTROL_PLANE in meta.get("labels", {}) else []
    own = socket.gethostname() if "KUBERNETES_SERVICE_HOST" in os.environ else ""
    for pod in at.items("/api/v1/pods", fieldSelector=f"spec.nodeName={meta['name']}").items:
        name, labels = pod["metadata"]["name"], pod["metadata"].get("labels", {})
        matched = [term for term in at.pinned.protect if all(holds(labels, each) for each in term.split(","))]
        if name == own:
            found.append(f"chaosctl itself ({name})")
        elif matched:
            found.append(f"{pod['metadata']['namespace']}/{name} ({matched[0]})")
    return found


def _pods(selection: Selection, at: Cluster, trim: _Trim) -> Selected:
    path = f"/api/v1/namespaces/{selection.namespace}/pods" if selection.namespace else "/api/v1/pods"
    listing = at.items(path, trim=trim)
    matching = [pod for pod in listing.items if _matches(pod, selection)]
    usable = sorted((pod for pod in matching if pod.running and not pod.on_host), key=lambda pod: pod.name)
    if not usable:
        raise Inconclusive(
            f"No running pod matches {selection.spoken()} in environment {at.environment!r}: nothing was touched.",
            _why_none(matching) or f"`kubectl get pods -n {selection.namespace or 'NAMESPACE'}` shows those there are.",
        )
    targets = {_target(pod, at, selection.via).name: pod for pod in usable}
    picks = some([_pick(pod, name) for name, pod in targets.items()], selection.replicas)
    chosen = {pick.target for pick in picks}
    taken = [pod for name, pod in targets.items() if name in chosen]
    total = Counter(pod.service for pod in listing.items if pod.running)
    shares = Counter(pod.service for pod in taken)
    return Selected(
        targets=tuple(_target(pod, at, selection.via) for pod in taken),
        who=_who(taken, selection.namespace),
        picks=tuple(picks),
        shares=tuple(Share(service, count, total[service]) for service, count in shares.items()),
        said=selection.replicas == "all" or not (selection.replicas or selection.selector),
        notes=tuple(_notes(matching, selection)),
        arrivals=lambda: Arrivals(at, path, listing.version, selection, trim, usable, taken),
    )


class Arrivals:
    """New pods of a selection, as the cluster tells of them; `fresh` hands each out once, `close` ends the watch.

    Where only some replicas were asked for, as many of them are handed out as keep the number or the share as it was.
    """

    def __init__(
        self,
        at: Cluster,
        path: str,
        version: str,
        selection: Selection,
        trim: _Trim,
        usable: Iterable[_Pod],
        taken: Iterable[_Pod],
    ) -> None:
        self._at, self._path, self._version = at, path, version
        self._selection, self._trim = selection, trim
        self._there = {pod.uid: pod.service for pod in usable}
        self._known = set(self._there)
        self._taken = {pod.uid for pod in taken}
        self._grown: set[str] = set()
        self._waiting: list[Target] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="newcomers", daemon=True).start()

    def fresh(self) -> tuple[Target, ...]:
        """Return the pods that have come to run since the last time."""
        with self._lock:
            fresh, self._waiting = tuple(self._waiting), []
        return fresh

    def standing(self) -> tuple[str, ...]:
        """Return how many of the pods of each service that had new ones have the fault now, in a sentence each."""
        with self._lock:
            found = {service: self._count(service) for service in sorted(self._grown)}
        return tuple(f"In the end {had} of {of} pods of {service} had it." for service, (had, of) in found.items())

    def close(self) -> None:
        """End the watch."""
        self._stop.set()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                for event in self._at.watch(self._path, self._version, self._stop):
                    self._version = event.item["metadata"]["resourceVersion"]
                    self._see(self._trim(event.item), event.kind != "DELETED")
            except (CommandFailed, Unreachable):  # too old, or broken off: what is there now, and on from there
                self._stop.wait(_AGAIN)
                with suppress(ChaosctlError):
                    listing = self._at.items(self._path, trim=self._trim)
                    self._version = listing.version
                    with self._lock:
                        self._there = {
                            uid: self._there[uid] for uid in self._there.keys() & {p.uid for p in listing.items}
                        }
                    for pod in listing.items:
                        self._see(pod, True)

    def _see(self, pod: _Pod, there: bool) -> None:
        with self._lock:
            # One that was given the fault counts as long as it is there: the fault may be what keeps it from running.
            counts = pod.running or (pod.stays and pod.uid in self._taken)
            if not (there and counts and not pod.on_host and _matches(pod, self._selection)):
                self._there.pop(pod.uid, None)
                return
            self._there[pod.uid] = pod.service
            if pod.uid not in self._known:
                self._known.add(pod.uid)
                self._grown.add(pod.service)
                had, of = self._count(pod.service)
                if had < wanted(of, self._selection.replicas):
                    self._taken.add(pod.uid)
                    self._waiting.append(_target(pod, self._at, self._selection.via))

    def _count(self, service: str) -> tuple[int, int]:
        """Return how many running pods of a service were given the fault, and how many there are."""
        found = [uid for uid, of in self._there.items() if of == service]
        return sum(uid in self._taken for uid in found), len(found)


def _trimmed(item: Mapping[str, Any], label: str, enters: bool) -> _Pod:
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    labels = meta.get("labels", {})
    owner = next((found["name"] for found in meta.get("ownerReferences", ())), meta["name"])
    running = any("running" in found.get("state", {}) for found in status.get("containerStatuses", ()))
    stays = status.get("phase") not in ENDED and "deletionTimestamp" not in meta
    return _Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        node=spec.get("nodeName", ""),
        service=f"{meta['namespace']}/{labels.get(label, owner)}",
        labels=labels,
        on_host=enters and bool(spec.get("hostNetwork")),
        running=running and stays and status.get("phase") == "Running",
        stays=stays,
    )


def _matches(pod: _Pod, selection: Selection) -> bool:
    return all(holds(pod.labels, term) for term in selection.selector.split(",") if term)


def _pick(pod: _Pod, target: str) -> Pick:
    return Pick(target, pod.name, pod.namespace, pod.service, pod.node)


def _target(pod: _Pod, at: Cluster, via: str) -> PodTarget:
    made = EphemeralTarget if via == "ephemeral" else PodTarget
    return made(at, pod.namespace, pod.name, Whereabouts(pod.uid, pod.node))


def _who(pods: list[_Pod], namespace: str) -> str:
    names = ", ".join(pod.name for pod in pods) if len(pods) <= 3 else f"{len(pods)} pods"
    return f"{names} in {namespace}" if namespace else names


def _notes(matching: Iterable[_Pod], selection: Selection) -> Iterable[str]:
    on_host = [pod.name for pod in matching if pod.on_host and pod.running]
    if on_host:
        yield f"Left out, because their network is the node's own (hostNetwork): {', '.join(on_host)}."
    if selection.replicas not in ("", "all"):
        kept = f"keep it at {selection.replicas} of each service's"
        yield f"Of pods that start during the fault, as many take it as {kept}."
    if selection.via == "ephemeral":
        yield from _TRACE


def _why_none(matching: Iterable[_Pod]) -> str:
    found = list(matching)
    if on_host := [pod.name for pod in found if pod.on_host]:
        return f"Those that match have the node's own network (hostNetwork): {', '.join(on_host[:5])}."
    return f"{len(found)} match, but none of them runs." if found else ""
