"""New pods of a selection while a fault is live, as the cluster tells of them; and what is kept of a pod."""

import threading
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from runner.cluster import Cluster
from runner.errors import ChaosctlError
from runner.pod_shape import PodShape
from runner.selection import Pick, Selected, Selection, Share, holds, wanted
from runner.targets.ephemeral import EphemeralTarget
from runner.targets.pod import ENDED, PodTarget, Whereabouts

__all__ = ["Arrivals", "Pod", "Trim", "matches", "pick", "target_of", "trimmed"]

_AGAIN = 1.0


class Pod(NamedTuple):
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


Trim = Callable[[Mapping[str, Any]], Pod]
"""What makes of a pod of the API what is kept of it."""


class Arrivals:
    """New pods of a selection, as the cluster tells of them; `fresh` hands each out once, `close` ends the watch.

    Where only some replicas were asked for, as many of them are handed out as keep the number or the share as it was.
    None is of a namespace that had no pod of the selection before: whether that takes faults was never asked. Whoever
    gets one says by `took` or `gave_up` what became of it.
    """

    def __init__(
        self,
        at: Cluster,
        path: str,
        version: str,
        selection: Selection,
        trim: Trim,
        usable: Iterable[Pod],
        taken: Iterable[Pod],
    ) -> None:
        self._at, self._path, self._version = at, path, version
        self._selection, self._trim = selection, trim
        there = list(usable)
        self._namespaces = {pod.namespace for pod in there}
        self._there = {pod.uid: pod.service for pod in there}
        self._known = set(self._there)
        self._handed = {target_of(pod, at, selection.via).name: pod for pod in taken}
        self._had = {pod.uid for pod in self._handed.values()}
        self._taken = set(self._had)
        self._grown: set[str] = set()
        self._waiting: dict[PodTarget, Pod] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="newcomers", daemon=True).start()

    def fresh(self) -> tuple[PodTarget, ...]:
        """Return the pods that have come to run since the last time."""
        with self._lock:
            fresh, self._waiting = self._waiting, {}
            self._handed.update({target.name: pod for target, pod in fresh.items()})
        return tuple(fresh)

    def proposed(self, name: str) -> Selected:
        """Return one that was handed out, with how many pods have the fault now and this one besides."""
        with self._lock:
            pod = self._handed[name]
            having = self._had & self._there.keys() | {pod.uid}
            of = [uid for uid, service in self._there.items() if service == pod.service]
        share = Share(pod.service, sum(uid in having for uid in of), len(of))
        said = self._selection.replicas in ("", "all")
        target = target_of(pod, self._at, self._selection.via)
        return Selected((target,), pod.name, (pick(pod, name),), (share,), said, pods=len(having))

    def took(self, name: str) -> None:
        """Count one that was handed out among those that have the fault."""
        with self._lock:
            self._had.add(self._handed[name].uid)

    def gave_up(self, name: str) -> None:
        """Count one among those that do not have the fault: another may take it instead."""
        with self._lock:
            for uids in (self._had, self._taken):
                uids.discard(self._handed[name].uid)

    def standing(self) -> tuple[str, ...]:
        """Return how many of the pods of each service that had new ones have the fault now, in a sentence each."""
        with self._lock:
            found = {service: self._count(service, self._had) for service in sorted(self._grown)}
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
            except ChaosctlError:  # too old, refused, or broken off: what is there now, and on from there
                self._stop.wait(_AGAIN)
                with suppress(ChaosctlError):
                    listing = self._at.items(self._path, self._trim, PodShape)
                    self._version = listing.version
                    with self._lock:
                        self._there = {
                            uid: self._there[uid] for uid in self._there.keys() & {p.uid for p in listing.items}
                        }
                    for pod in listing.items:
                        self._see(pod, True)

    def _see(self, pod: Pod, there: bool) -> None:
        with self._lock:
            # One that was given the fault counts as long as it is there: the fault may be what keeps it from running.
            counts = pod.running or (pod.stays and pod.uid in self._taken)
            meant = pod.namespace in self._namespaces and not pod.on_host and matches(pod, self._selection)
            if not (there and counts and meant):
                self._there.pop(pod.uid, None)
                return
            self._there[pod.uid] = pod.service
            if pod.uid not in self._known:
                self._known.add(pod.uid)
                self._grown.add(pod.service)
                had, of = self._count(pod.service, self._taken)
                if had < wanted(of, self._selection.replicas):
                    self._taken.add(pod.uid)
                    self._waiting[target_of(pod, self._at, self._selection.via)] = pod

    def _count(self, service: str, those: Container[str]) -> tuple[int, int]:
        """Return how many running pods of a service are among those, and how many there are."""
        found = [uid for uid, of in self._there.items() if of == service]
        return sum(uid in those for uid in found), len(found)


def trimmed(item: Mapping[str, Any], label: str, enters: bool) -> Pod:
    """Return what is kept of a pod as the API has it; `label` names its service."""
    meta, spec, status = item["metadata"], item["spec"], item.get("status", {})
    labels = meta.get("labels", {})
    owner = next((found["name"] for found in meta.get("ownerReferences", ())), meta["name"])
    running = any("running" in found.get("state", {}) for found in status.get("containerStatuses", ()))
    stays = status.get("phase") not in ENDED and "deletionTimestamp" not in meta
    return Pod(
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


def matches(pod: Pod, selection: Selection) -> bool:
    """Return whether a pod has the labels of a selection."""
    return all(holds(pod.labels, term) for term in selection.selector.split(",") if term)


def pick(pod: Pod, target: str) -> Pick:
    """Return what guardrails go by, of a pod."""
    return Pick(target, pod.name, pod.namespace, pod.service, pod.node)


def target_of(pod: Pod, at: Cluster, via: str) -> PodTarget:
    """Return the pod as a target, reached as was asked."""
    made = EphemeralTarget if via == "ephemeral" else PodTarget
    return made(at, pod.namespace, pod.name, Whereabouts(pod.uid, pod.node))
