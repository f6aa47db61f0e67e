"""Whom a selection means in a cluster: pods of a namespace, or nodes; asked once, and then watched for newcomers."""

from collections import Counter
from collections.abc import Iterable

from runner.arrivals import Arrivals, Pod, Trim, matches, pick, target_of, trimmed
from runner.carried import carried
from runner.cluster import Cluster, cluster
from runner.config import Chosen
from runner.entry import IN_PODS
from runner.errors import Inconclusive, UsageError
from runner.pod_shape import PodShape
from runner.remote.pods import US
from runner.selection import Pick, Selected, Selection, Share, some
from runner.targets.ephemeral import EphemeralTarget
from runner.targets.node import NodeTarget
from runner.targets.pod import PodTarget

__all__ = ["select"]

_TRACE = (
    f"An ephemeral container, {US}-ID, stays in the spec of each of these pods until that is made again; it has ended.",
)


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
    return _pods(selection, at, lambda item: trimmed(item, label, enters))


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
    found = tuple(
        (target.node, what)
        for target in targets
        if target.node not in allowed
        for what in carried(at, known[target.node])
    )
    return Selected(targets, ", ".join(target.node for target in targets), picks, carried=found)


def _pods(selection: Selection, at: Cluster, trim: Trim) -> Selected:
    path = f"/api/v1/namespaces/{selection.namespace}/pods" if selection.namespace else "/api/v1/pods"
    listing = at.items(path, trim, PodShape)
    matching = [pod for pod in listing.items if matches(pod, selection)]
    usable = sorted((pod for pod in matching if pod.running and not pod.on_host), key=lambda pod: pod.name)
    if not usable:
        raise Inconclusive(
            f"No running pod matches {selection.spoken()} in environment {at.environment!r}: nothing was touched.",
            _why_none(matching) or f"`kubectl get pods -n {selection.namespace or 'NAMESPACE'}` shows those there are.",
        )
    targets = {target_of(pod, at, selection.via).name: pod for pod in usable}
    picks = some([pick(pod, name) for name, pod in targets.items()], selection.replicas)
    chosen = {pick.target for pick in picks}
    taken = [pod for name, pod in targets.items() if name in chosen]
    total = Counter(pod.service for pod in listing.items if pod.running)
    shares = Counter(pod.service for pod in taken)
    return Selected(
        targets=tuple(target_of(pod, at, selection.via) for pod in taken),
        who=_who(taken, selection.namespace),
        picks=tuple(picks),
        shares=tuple(Share(service, count, total[service]) for service, count in shares.items()),
        said=selection.replicas == "all" or not (selection.replicas or selection.selector),
        notes=tuple(_notes(matching, selection)),
        arrivals=lambda: Arrivals(at, path, listing.version, selection, trim, usable, taken),
    )


def _who(pods: list[Pod], namespace: str) -> str:
    names = ", ".join(pod.name for pod in pods) if len(pods) <= 3 else f"{len(pods)} pods"
    return f"{names} in {namespace}" if namespace else names


def _notes(matching: Iterable[Pod], selection: Selection) -> Iterable[str]:
    on_host = [pod.name for pod in matching if pod.on_host and pod.running]
    if on_host:
        yield f"Left out, because their network is the node's own (hostNetwork): {', '.join(on_host)}."
    if selection.replicas not in ("", "all"):
        kept = f"keep it at {selection.replicas} of each service's"
        yield f"Of pods that start during the fault, as many take it as {kept}."
    if selection.via == "ephemeral":
        yield from _TRACE


def _why_none(matching: Iterable[Pod]) -> str:
    found = list(matching)
    if on_host := [pod.name for pod in found if pod.on_host]:
        return f"Those that match have the node's own network (hostNetwork): {', '.join(on_host[:5])}."
    return f"{len(found)} match, but none of them runs." if found else ""
