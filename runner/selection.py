"""From whom a fault takes something away: `--on`, `--namespace` and `--selector`, resolved in an environment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from runner.config import Environment, Host
from runner.errors import Inconclusive, UsageError
from runner.targets import Target, reach

__all__ = ["Selected", "Selection", "select"]


def _labels(written: object) -> str:
    """Return a label selector as written if it can be meant: `app=payment-api,tier!=db`."""
    if not isinstance(written, str):
        raise UsageError(f"{written!r} is not a selector.", "Write label=value, several with commas: app=payment-api.")
    for term in filter(None, written.split(",")):
        if "=" not in term:
            raise UsageError(f"{term!r} is not a label selector.", "Write label=value or label!=value.")
    return written


@dataclass(frozen=True)
class Selection:
    """Who is meant. Fields are parameters of every fault, on the command line and in experiments."""

    where: Annotated[str, "a target or host: netns:NAME, local, or a host of the environment; several with commas"] = ""
    namespace: Annotated[str, "all targets in this namespace of the environment"] = ""
    selector: Annotated[str, _labels, "only those with these labels: app=payment-api"] = ""


@dataclass(frozen=True)
class Selected:
    """The targets, and how to speak of them in a sentence."""

    targets: tuple[Target, ...]
    who: str


def select(selection: Selection, environment: Environment | None) -> Selected:
    """Return the targets that are meant.

    Raises UsageError where nothing was said of whom, Inconclusive where nothing matched.
    """
    hosts: Mapping[str, Host] = environment.hosts if environment else {}
    if selection.where:
        written = list(dict.fromkeys(part.strip() for part in selection.where.split(",") if part.strip()))
        if not written:
            raise UsageError(f"--on={selection.where} names nothing.", "Write netns:NAME, local, or a host's name.")
        return Selected(
            _each_once(hosts[part].reach if part in hosts else part for part in written), ", ".join(written)
        )
    if not selection.namespace and not selection.selector:
        raise UsageError(
            "It was not said whom the fault is for.",
            "Add --namespace=NAME, or --on=netns:NAME; this machine itself is meant only by --on=local.",
        )
    matching = {name: host for name, host in hosts.items() if _matches(host, selection)}
    if not matching:
        raise Inconclusive(
            f"No target matches {_spoken(selection)}: nothing was touched.",
            f"The environment's hosts are: {', '.join(hosts) or 'none'}.",
        )
    names = ", ".join(matching) if len(matching) <= 3 else f"{len(matching)} hosts"
    where = f" in {selection.namespace}" if selection.namespace else ""
    return Selected(_each_once(host.reach for host in matching.values()), f"{names}{where}")


def _each_once(written: Iterable[str]) -> tuple[Target, ...]:
    """Return the targets; one that is meant twice, as by two names for it, takes the fault once."""
    targets = {target.name: target for target in map(reach, written)}
    return tuple(targets.values())


def _matches(host: Host, selection: Selection) -> bool:
    if selection.namespace and host.namespace != selection.namespace:
        return False
    return all(_holds(host.labels, term) for term in selection.selector.split(",") if term)


def _holds(labels: Mapping[str, Any], term: str) -> bool:
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key.strip()) != value.strip()
    key, _, value = term.partition("=")
    return labels.get(key.strip()) == value.strip()


def _spoken(selection: Selection) -> str:
    parts = (("namespace", selection.namespace), ("selector", selection.selector))
    return " and ".join(f"{name} {value}" for name, value in parts if value)
