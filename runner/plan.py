"""What a fault would do, decided without touching anything."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from runner import guardrails
from runner.config import Chosen, current_or_none
from runner.errors import UsageError
from runner.fault import Fault
from runner.guardrails import halt
from runner.model import EndsBy, format_duration, parse_duration
from runner.parameters import build
from runner.selection import Selected, Selection, select

__all__ = ["Plan", "Request", "duration", "foreseen", "outline", "plan", "read", "settled"]

_DEFAULT_DURATION = 90.0


@dataclass(frozen=True)
class Plan:
    """One fault for certain targets; `seconds` is its duration, `needed` how many targets must have it at least."""

    fault: Fault
    selected: Selected
    seconds: float
    chosen: Chosen | None
    rulings: tuple[guardrails.Ruling, ...]
    needed: int

    @property
    def environment(self) -> str:
        """The name of the environment; empty for none."""
        return self.chosen.name if self.chosen else ""

    @property
    def sentence(self) -> str:
        """What happens to whom and for how long."""
        lasting = "" if self.fault.ends_by is EndsBy.ONE_SHOT else f" for {format_duration(self.seconds)}"
        return f"{self.fault.sentence(self.selected.who)}{lasting}"


@dataclass(frozen=True)
class Request:
    """What was asked for, understood but not yet decided; `seconds` is None where the environment's default applies."""

    fault: Fault
    selection: Selection
    seconds: float | None


def read(declared: type[Fault], arguments: Mapping[str, Any]) -> Request:
    """Return what a fault's arguments ask for: its own parameters, those of Selection, and `duration`.

    Raises UsageError that names the parameter.
    """
    choosing = {field.name for field in fields(Selection)}
    selection = build(Selection, {key: value for key, value in arguments.items() if key in choosing})
    rest = choosing | {"duration"}
    fault = build(declared, {key: value for key, value in arguments.items() if key not in rest})
    return Request(fault, selection, _seconds(arguments.get("duration")))


def plan(declared: type[Fault], arguments: Mapping[str, Any], environment: str = "") -> Plan:
    """Return what a fault with these arguments would do in an environment.

    Raises UsageError where they cannot be meant, Inconclusive where nothing matches, Refused where a guardrail says no.
    """
    made = outline(declared, arguments, environment)
    guardrails.enforce(made.rulings)
    return made


def outline(declared: type[Fault], arguments: Mapping[str, Any], environment: str = "") -> Plan:
    """Return the same where a guardrail says no to the fault, with that among its rulings.

    Raises Refused where the environment must not even be asked whom it has.
    """
    return foreseen(read(declared, arguments), current_or_none(environment))


def foreseen(request: Request, chosen: Chosen | None) -> Plan:
    """Return what was asked for as a plan in an environment, as `outline` does."""
    request = settled(request, chosen)
    if chosen is None and not request.selection.where:
        raise UsageError(
            "No environment was chosen, and no target was named with --on.",
            "Choose with --env, or name one: --on=netns:NAME. To try it here: chaosctl lab up.",
        )
    rulings = tuple(ruling for ruling in halt.rule() if not ruling.allowed)
    rulings += guardrails.enforce(guardrails.on_environment(chosen)) if chosen else ()
    seconds = duration(request, chosen)
    request.fault.refuse(seconds)
    selected = _selected(request, chosen)
    if any(at.name.startswith("ephemeral:") for at in selected.targets) and not request.fault.fits_container():
        raise UsageError(
            f"{request.fault.name} cannot be had by an ephemeral container: that has NET_ADMIN and nothing more, and "
            f"the fault needs {', '.join(request.fault.needs)}.",
            "Reach pods by their nodes: leave --via out, or say --via=node.",
        )
    if chosen:
        rulings += guardrails.on_proposal(guardrails.Proposal(chosen, selected, seconds))
    needed = request.selection.needed(len(selected.targets))
    return Plan(request.fault, selected, seconds, chosen, rulings, needed)


def settled(request: Request, chosen: Chosen | None) -> Request:
    """Return the same request with what nobody said and the environment knows."""
    environment, selection = chosen.environment if chosen else None, request.selection
    if selection == Selection():
        selection = Selection.at_home(request.fault.home(environment))
    return Request(request.fault.settled(environment), selection, request.seconds)


def duration(request: Request, chosen: Chosen | None) -> float:
    """Return how long a fault lasts, in seconds: as asked, or as the environment says, or as this fault needs."""
    usual = chosen.environment.duration if chosen else _DEFAULT_DURATION
    return request.seconds or request.fault.lasts(usual)


def _selected(request: Request, chosen: Chosen | None) -> Selected:
    selection = request.selection
    if request.fault.changes:
        return _objects(request, chosen)
    if chosen and chosen.environment.kubernetes and selection.in_cluster:
        from runner import pods  # noqa: PLC0415 - half a second that only clusters need

        return pods.select(selection, chosen, request.fault.enters)
    return select(selection, chosen.environment if chosen else None)


def _objects(request: Request, chosen: Chosen | None) -> Selected:
    """Return the objects of a cluster's API that are meant."""
    fault = request.fault
    if chosen is None or chosen.environment.kubernetes is None:
        raise UsageError(
            f"{fault.name} acts on {fault.changes}s of a cluster, and no environment that has one was chosen.",
            "Choose one with --env whose `kubernetes` says which.",
        )
    from runner import objects  # noqa: PLC0415 - half a second that only clusters need

    return objects.select(request.selection, chosen, fault)


def _seconds(written: object) -> float | None:
    if written is None or written == "":
        return None
    try:
        return parse_duration(written)
    except UsageError as error:
        raise UsageError(f"--duration: {error.message}", error.fix) from error
