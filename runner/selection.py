"""From whom a fault takes something away: `--on`, `--namespace`, `--selector` and `--replicas`, in an environment."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Annotated, Any, Literal, Protocol

from runner.config import Environment, Host
from runner.errors import Inconclusive, UsageError
from runner.model import parse_percent
from runner.targets import Target, reach

__all__ = ["Arrivals", "Pick", "Selected", "Selection", "Share", "holds", "like", "select", "some", "wanted"]

_IN_CLUSTER = "pod:", "node:", "ephemeral:"
_NOTHING = "(?!)"


def _labels(written: object) -> str:
    """Return a label selector as written if it can be meant: `app=payment-api,tier!=db`."""
    if not isinstance(written, str):
        raise UsageError(f"{written!r} is not a selector.", "Write label=value, several with commas: app=payment-api.")
    for term in filter(None, written.split(",")):
        if "=" not in term:
            raise UsageError(f"{term!r} is not a label selector.", "Write label=value or label!=value.")
    return written


def _replicas(written: object) -> str:
    """Return a number of replicas as written if it can be meant: `1`, `50%` or `all`."""
    text = str(written)
    if text and (not re.fullmatch(r"all|[1-9]\d*|[1-9]\d?%|100%", text) or isinstance(written, bool)):
        raise UsageError(
            f"{written!r} is no number of replicas.", "Write how many, or a share, or all of them: 1, 50%, all."
        )
    return text


def _share(written: object) -> str:
    """Return how many targets are asked for, as a number or a percentage, as text."""
    text = str(written) if isinstance(written, int) and not isinstance(written, bool) else written
    if isinstance(text, str) and text.endswith("%"):
        parse_percent(text)
    elif not (isinstance(text, str) and text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{written!r} is no number of targets.", "Write 3, or a share of them: 80%.")
    return text


@dataclass(frozen=True)
class Selection:
    """Who is meant. Fields are parameters of every fault, on the command line and in experiments."""

    where: Annotated[str, "a target or host: netns:NAME, local, or a host of the environment; several with commas"] = ""
    namespace: Annotated[str, "all targets in this namespace of the environment"] = ""
    selector: Annotated[str, _labels, "only those with these labels: app=payment-api"] = ""
    node: Annotated[str, "nodes of the environment's cluster by name, several with commas"] = ""
    allow_node: Annotated[str, "nodes that may be meant although the cluster's DNS, Prometheus or we run there"] = ""
    replicas: Annotated[
        str, _replicas, "how many of each service's pods or hosts that match, the first by name: 1, 50% or all"
    ] = ""
    via: Annotated[Literal["node", "ephemeral"], "how pods are entered: from their node, or by a container in them"] = (
        "node"
    )
    at_least: Annotated[str, _share, "go on while so many of the targets have the fault: 3 or 80%"] = "100%"

    @classmethod
    def at_home(cls, where: str) -> "Selection":
        """Return whom the environment itself names for a fault: nodes among them are meant, whatever they carry."""
        words = [word.strip() for word in where.split(",")]
        nodes = [word.removeprefix("node:").rpartition("/")[2] for word in words if word.startswith("node:")]
        return cls(where=where, allow_node=",".join(nodes))

    @property
    def in_cluster(self) -> bool:
        """Whether it means pods or nodes where there is a cluster."""
        return self.where.startswith(_IN_CLUSTER) if self.where else bool(self.namespace or self.selector or self.node)

    def spoken(self) -> str:
        """Return what was asked for, for a sentence."""
        parts = (("namespace", self.namespace), ("selector", self.selector), ("node", self.node))
        return " and ".join(f"{name} {value}" for name, value in parts if value)

    def needed(self, targets: int) -> int:
        """Return how many of so many targets must have the fault; raises Inconclusive where more are asked for."""
        number, percent, _ = self.at_least.partition("%")
        needed = math.ceil(targets * float(number) / 100) if percent else int(number)
        if needed > targets:
            raise Inconclusive(
                f"--at-least={self.at_least} asks for more than the {targets} that match: nothing was touched.",
                "Ask for fewer, or select more.",
            )
        return max(1, needed)


@dataclass(frozen=True)
class Pick:
    """One target with what guardrails go by; empty where that is not known."""

    target: str
    host: str = ""
    namespace: str = ""
    service: str = ""
    node: str = ""


@dataclass(frozen=True)
class Share:
    """How many of a service's replicas are picked, and of how many."""

    service: str
    picked: int
    of: int


class Arrivals(Protocol):
    """New targets of a selection, while a fault is live."""

    def fresh(self) -> tuple[Target, ...]:
        """Return those that have come since the last time."""

    def proposed(self, name: str) -> "Selected":
        """Return one of them as guardrails rule on it, with those that have the fault already."""

    def took(self, name: str) -> None:
        """Hear that it has the fault."""

    def gave_up(self, name: str) -> None:
        """Hear that a target, of these or of the first ones, does not have it."""

    def standing(self) -> Sequence[str]:
        """Return, in a sentence for each service that had some, how many of its targets have the fault now."""

    def close(self) -> None:
        """Look for no more."""


@dataclass(frozen=True)
class Selected:
    """The targets, and how to speak of them in a sentence; `said` whether all replicas of a service may be meant.

    `carried` is what runs on which chosen node and must not go with it, `notes` say who was left out, `arrivals` begins
    to look for new targets. `pods` is how many pods are taken away where a target stands for several.
    """

    targets: tuple[Target, ...]
    who: str
    picks: tuple[Pick, ...] = ()
    shares: tuple[Share, ...] = ()
    said: bool = True
    carried: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    arrivals: Callable[[], Arrivals] | None = None
    pods: int = 0

    @property
    def hit(self) -> int:
        """How many are hit: targets, or the pods that they stand for."""
        return max(len(self.targets), self.pods)


def select(selection: Selection, environment: Environment | None) -> Selected:
    """Return the targets that are meant.

    Raises UsageError where nothing was said of whom, Inconclusive where nothing matched.
    """
    hosts: Mapping[str, Host] = environment.hosts if environment else {}
    label = environment.guardrails.service_label if environment else ""
    if selection.where:
        written = list(dict.fromkeys(part.strip() for part in selection.where.split(",") if part.strip()))
        _check_named(selection, written)
        return _selected(_named(written, hosts, label), hosts, label, ", ".join(written), said=True)
    if selection.node:
        raise UsageError(
            f"--node={selection.node} means a node of a cluster, and this environment has none.",
            "Choose one with --env whose `kubernetes` says which.",
        )
    if not selection.namespace and not selection.selector:
        raise UsageError(
            "It was not said whom the fault is for.",
            "Add --namespace=NAME, or --on=netns:NAME; this machine itself is meant only by --on=local.",
        )
    matching = {name: host for name, host in hosts.items() if _matches(host, selection)}
    if not matching:
        raise Inconclusive(
            f"No target matches {selection.spoken()}: nothing was touched.",
            f"The environment's hosts are: {', '.join(hosts) or 'none'}.",
        )
    picks = some([_pick(name, host, label) for name, host in matching.items()], selection.replicas)
    names = ", ".join(pick.host for pick in picks) if len(picks) <= 3 else f"{len(picks)} hosts"
    where = f" in {selection.namespace}" if selection.namespace else ""
    said = selection.replicas == "all" or not (selection.replicas or selection.selector)
    return _selected(picks, hosts, label, f"{names}{where}", said)


def _check_named(selection: Selection, written: Sequence[str]) -> None:
    if not written:
        raise UsageError(f"--on={selection.where} names nothing.", "Write netns:NAME, local, or a host's name.")
    if selection.replicas:
        raise UsageError("--on names each target, so --replicas has nothing to choose from.", "Use one of the two.")


def _named(written: Iterable[str], hosts: Mapping[str, Host], label: str) -> list[Pick]:
    """Return the targets that were named, by a host's name or as targets that may be hosts."""
    by_reach = {host.reach: name for name, host in hosts.items()}
    found = []
    for part in written:
        name = part if part in hosts else by_reach.get(part, "")
        found.append(_pick(name, hosts[name], label) if name else Pick(part))
    return found


def some(picks: Sequence[Pick], replicas: str) -> list[Pick]:
    """Return as many of each service as was said, the first by name, so that a plan shows whom; one at least."""
    if replicas in ("", "all"):
        return list(picks)
    found = []
    for service in dict.fromkeys(pick.service for pick in picks):
        those = sorted((pick for pick in picks if pick.service == service), key=lambda pick: pick.host)
        found += those[: wanted(len(those), replicas)]
    return found


def wanted(number: int, replicas: str) -> int:
    """Return how many of so many replicas of one service are meant: a share is rounded down, and one at least."""
    if replicas in ("", "all"):
        return number
    share = int(replicas.removesuffix("%"))
    return min(number, max(1, number * share // 100) if replicas.endswith("%") else share)


def _selected(picks: Iterable[Pick], hosts: Mapping[str, Host], label: str, who: str, said: bool) -> Selected:
    """Return the targets; one that is meant twice, as by two names for it, takes the fault once."""
    targets = {target.name: (target, pick) for pick in picks for target in (reach(pick.target),)}
    kept = [pick for _, pick in targets.values()]
    of = list({host.reach: _pick(name, host, label).service for name, host in hosts.items()}.values())
    shares = [
        Share(service, sum(pick.service == service for pick in kept), of.count(service))
        for service in dict.fromkeys(pick.service for pick in kept if pick.service)
    ]
    return Selected(tuple(target for target, _ in targets.values()), who, tuple(kept), tuple(shares), said)


def _pick(name: str, host: Host, label: str) -> Pick:
    """Return a host as a target; one without the label is a service of its own."""
    service = f"{host.namespace}/{host.labels.get(label, name)}".lstrip("/")
    return Pick(host.reach, name, host.namespace, service)


def _matches(host: Host, selection: Selection) -> bool:
    if selection.namespace and host.namespace != selection.namespace:
        return False
    return all(holds(host.labels, term) for term in selection.selector.split(",") if term)


def holds(labels: Mapping[str, Any], term: str) -> bool:
    """Return whether labels are as one term of a selector says."""
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key.strip()) != value.strip()
    key, _, value = term.partition("=")
    return labels.get(key.strip()) == value.strip()


def like(patterns: Sequence[str]) -> Callable[[str], object]:
    """Return what tells whether a name is like one of the patterns: of 10,000 pods that is asked 50,000 times."""
    return re.compile("|".join(map(translate, patterns)) or _NOTHING).match
