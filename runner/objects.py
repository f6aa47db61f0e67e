"""Which objects of a cluster's API a selection means, for faults that change those: asked once, by name or labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runner import pods
from runner.cluster import Cluster, cluster
from runner.config import Chosen
from runner.errors import Inconclusive, UsageError
from runner.fault import Fault
from runner.selection import Arrivals, Selected, Selection, Share
from runner.selection import Pick as Picked
from runner.targets import Target
from runner.targets.object import KINDS, ObjectTarget

__all__ = ["select"]

_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"


def select(selection: Selection, chosen: Chosen, fault: Fault) -> Selected:
    """Return the objects that are meant, of the kind that the fault changes; raises Inconclusive where none is."""
    kind, at = fault.changes, cluster(chosen.name, chosen.environment.kubernetes)
    _check(selection, kind)
    if kind == "node" or (kind == "pod" and not selection.where):
        return _converted(pods.select(selection, chosen, fault.enters), at)
    found = _named(selection, at, kind) if selection.where else _labelled(selection, at, kind)
    label = chosen.environment.guardrails.service_label
    picks = tuple(_pick(item, at, kind, label) for item in found)
    shares = [_share(item, pick, at, fault) for item, pick in zip(found, picks, strict=True) if kind != "pod"]
    return Selected(
        targets=tuple(_target(item, at, kind) for item in found),
        who=_who([pick.host for pick in picks], {pick.namespace for pick in picks}, kind),
        picks=picks,
        shares=tuple(shares),
        pods=sum(share.picked for share in shares) if kind == "deployment" else 0,
    )


def _check(selection: Selection, kind: str) -> None:
    """Raise UsageError where something of another kind is meant."""
    form = "node:NAME" if kind == "node" else f"{kind}:NAMESPACE/NAME"
    words = [word.strip() for word in selection.where.split(",") if word.strip()]
    if other := [word for word in words if not word.startswith(f"{kind}:")]:
        raise UsageError(f"--on={other[0]} is no {kind}, and this fault acts on those.", f"Write --on={form}.")
    if selection.via != "node":
        raise UsageError("--via says how pods are entered, and this fault enters none.", "Leave it out.")
    if kind == "node":
        if not (selection.node or words):
            raise UsageError("It was not said which node is meant.", "Name it with --node=NAME.")
        return
    if selection.node:
        raise UsageError(f"--node means nodes, and this fault acts on {kind}s.", f"Write --on={form}, or --namespace.")
    if not (words or selection.namespace or selection.selector):
        raise UsageError(f"It was not said which {kind} is meant.", f"Add --namespace=NAME, or --on={form}.")
    if selection.replicas and kind != "pod":
        raise UsageError(
            f"--replicas chooses pods, and this fault acts on each {kind} as a whole.", "Leave --replicas out."
        )


def _named(selection: Selection, at: Cluster, kind: str) -> list[Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for word in filter(None, (each.strip() for each in selection.where.split(","))):
        names = word.removeprefix(f"{kind}:").split("/")
        if len(names) not in (2, 3) or not all(names):
            raise UsageError(f"{word!r} is not a {kind}.", f"Write {kind}:NAMESPACE/NAME.")
        namespace, name = names[-2:]
        item = at.find(f"{KINDS[kind].format(namespace)}/{name}")
        if item is None:
            raise Inconclusive(
                f"There is no {kind} {namespace}/{name} in environment {at.environment!r}: nothing was touched.",
                f"`kubectl get {kind}s -n {namespace}` shows those there are.",
            )
        found[f"{namespace}/{name}"] = item
    return list(found.values())


def _labelled(selection: Selection, at: Cluster, kind: str) -> list[Mapping[str, Any]]:
    path = KINDS[kind].format(selection.namespace) if selection.namespace else KINDS[kind].replace("namespaces/{}/", "")
    query = {"labelSelector": selection.selector} if selection.selector else {}
    found = at.items(path, None, **query).items
    if not found:
        raise Inconclusive(
            f"No {kind} matches {selection.spoken()} in environment {at.environment!r}: nothing was touched.",
            f"`kubectl get {kind}s -n {selection.namespace or 'NAMESPACE'} --show-labels` shows those there are.",
        )
    return sorted(found, key=lambda item: (item["metadata"]["namespace"], item["metadata"]["name"]))


def _target(item: Mapping[str, Any], at: Cluster, kind: str) -> ObjectTarget:
    return ObjectTarget(at, kind, item["metadata"]["name"], item["metadata"]["namespace"])


def _pick(item: Mapping[str, Any], at: Cluster, kind: str, label: str) -> Picked:
    meta = item["metadata"]
    service = f"{meta['namespace']}/{meta.get('labels', {}).get(label, meta['name'])}"
    node = item["spec"].get("nodeName", "")
    return Picked(_target(item, at, kind).name, meta["name"], meta["namespace"], service, node)


def _share(item: Mapping[str, Any], pick: Picked, at: Cluster, fault: Fault) -> Share:
    """Return how many of its replicas the fault takes away; those of a Service are its endpoints."""
    if fault.changes == "service":
        query = {"labelSelector": f"kubernetes.io/service-name={pick.host}"}
        slices = at.items(_SLICES.format(pick.namespace), None, **query).items
        count = sum(len(each.get("endpoints") or ()) for each in slices)
    else:
        count = int(item["spec"].get("replicas", 1))
    return Share(pick.service, fault.takes(count), count)


def _who(names: list[str], namespaces: set[str], kind: str) -> str:
    told = ", ".join(names) if len(names) <= 3 else f"{len(names)} {kind}s"
    return f"{told} in {namespaces.pop()}" if len(namespaces) == 1 else told


def _converted(selected: Selected, at: Cluster) -> Selected:
    """Return pods or nodes as objects of the API: what is changed there outlives their networks and processes."""
    arrivals = selected.arrivals
    return replace(
        selected,
        targets=tuple(_as_object(target, at) for target in selected.targets),
        picks=tuple(replace(pick, target=_renamed(pick.target)) for pick in selected.picks),
        arrivals=(lambda: _Arrivals(arrivals(), at)) if arrivals else None,
    )


class _Arrivals:
    """New pods of a selection, as objects."""

    def __init__(self, found: Arrivals, at: Cluster) -> None:
        self._found = found
        self._at = at

    def fresh(self) -> tuple[Target, ...]:
        """Return the pods that have come to run since the last time."""
        return tuple(_as_object(target, self._at) for target in self._found.fresh())

    def proposed(self, name: str) -> Selected:
        """Return one of them as guardrails rule on it."""
        return self._found.proposed(_entered(name))

    def took(self, name: str) -> None:
        """Hear that it has the fault."""
        self._found.took(_entered(name))

    def gave_up(self, name: str) -> None:
        """Hear that one does not have it."""
        self._found.gave_up(_entered(name))

    def standing(self) -> Sequence[str]:
        """Return how many of each service's pods have the fault now, in a sentence each."""
        return self._found.standing()

    def close(self) -> None:
        """Look for no more."""
        self._found.close()


def _as_object(target: Target, at: Cluster) -> ObjectTarget:
    kind, _, rest = target.name.partition(":")
    *namespace, name = rest.split("/")[1:]
    return ObjectTarget(at, kind, name, *namespace)


def _renamed(target: str) -> str:
    kind, _, rest = target.partition(":")
    environment, _, names = rest.partition("/")
    return f"object:{environment}/{kind}/{names}"


def _entered(name: str) -> str:
    """Return the name of a pod, that is an object here, as a target that is entered."""
    environment, _, rest = name.removeprefix("object:").partition("/")
    kind, _, names = rest.partition("/")
    return f"{kind}:{environment}/{names}"
