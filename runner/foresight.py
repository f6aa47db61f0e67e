"""What an injection or an experiment would touch, found out without touching anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner import guardrails
from runner.config import Chosen
from runner.errors import ChaosctlError, Refused
from runner.experiment import Extension, check, extension, queries, requests
from runner.filling import filled_in
from runner.guardrails import Ruling
from runner.guardrails.admission import is_entered
from runner.ledger import new_id
from runner.model import EndsBy, Steps
from runner.parameters import parameters
from runner.plan import Plan, Request, foreseen
from runner.targets import Target

__all__ = ["Foreseen", "Outlook", "Place", "experiment", "fault"]


@dataclass(frozen=True)
class Place:
    """One target: what would be done there, or why it cannot be."""

    target: str
    host: str
    namespace: str
    service: str
    proof: str = ""
    steps: Steps = field(default_factory=lambda: Steps((), (), ()))
    error: str = ""


@dataclass(frozen=True)
class Foreseen:
    """One fault: `plan` is None where it is not even known whom it would meet, and `problem` says why."""

    name: str
    plan: Plan | None
    places: tuple[Place, ...]
    rulings: tuple[Ruling, ...]
    warnings: tuple[str, ...]
    problem: ChaosctlError | None

    @property
    def exit_code(self) -> int:
        """What injecting it now would end with before anything is touched; 0 where it would begin."""
        if self.problem:
            return self.problem.exit_code
        return next((ruling.error().exit_code for ruling in self.rulings if not ruling.allowed), 0)

    def account(self) -> dict[str, Any]:
        """Return all of it as data."""
        made = self.plan
        known = (
            {
                "sentence": made.sentence,
                "parameters": {each.name: getattr(made.fault, each.name) for each in parameters(type(made.fault))},
                "duration": made.seconds,
                "ends_by": made.fault.ends_by,
                "mechanism": made.fault.mechanism,
                "needs": made.fault.needs,
                "targets": [_account(place) for place in self.places],
                "needed": made.needed,
                "blast_radius": [vars(share) for share in made.selected.shares],
            }
            if made
            else {}
        )
        return {
            "fault": self.name,
            **known,
            "decisions": [{**ruling.account(), "fix": ruling.fix} for ruling in self.rulings],
            "warnings": self.warnings,
            "problem": str(self.problem) if self.problem else None,
            "exit_code": self.exit_code,
        }


@dataclass(frozen=True)
class Outlook:
    """One experiment, or one fault by hand: what is decided on it as a whole, and each of its faults."""

    title: str
    path: str
    faults: tuple[Foreseen, ...]
    rulings: tuple[Ruling, ...] = ()
    warnings: tuple[str, ...] = ()
    problem: ChaosctlError | None = None

    @property
    def exit_code(self) -> int:
        """The gravest of all that is in the way; 0 where nothing is."""
        own = [ruling.error().exit_code for ruling in self.rulings if not ruling.allowed]
        codes = [*own, *(each.exit_code for each in self.faults)] + ([self.problem.exit_code] if self.problem else [])
        return next((code for code in (6, 4, 5, 3, 2) if code in codes), 0)

    def account(self) -> dict[str, Any]:
        """Return all of it as data."""
        return {
            "title": self.title,
            "path": self.path,
            "faults": [each.account() for each in self.faults],
            "decisions": [{**ruling.account(), "fix": ruling.fix} for ruling in self.rulings],
            "warnings": self.warnings,
            "problem": str(self.problem) if self.problem else None,
            "exit_code": self.exit_code,
        }


def fault(request: Request, chosen: Chosen | None) -> Foreseen:
    """Return what one fault would do now; what is in the way is part of the answer."""
    name = request.fault.name
    try:
        made = foreseen(request, chosen)
    except ChaosctlError as error:
        known = isinstance(error, Refused) and error.rulings
        return Foreseen(name, None, (), tuple(error.rulings), (), None if known else error)
    try:
        rulings = guardrails.foresee(made.fault, made.selected.targets, made.environment)
        problem = None
    except ChaosctlError as error:
        rulings, problem = (), error
    places = tuple(_place(made, position) for position in range(len(made.selected.targets)))
    return Foreseen(name, made, places, (*made.rulings, *rulings), tuple(_warnings(made, places)), problem)


def experiment(path: Path, chosen: Chosen | None, variables: Sequence[str]) -> Outlook:
    """Return what an experiment would do now; raises InvalidFile or UsageError where it cannot be meant."""
    written = check(path)
    filled = filled_in(written, chosen, variables)
    promised, title = extension(filled, path.parent), str(filled.get("title", path.stem))
    faults = tuple(fault(request, chosen) for request in requests(filled))
    warnings = (*promised.notes(), *_others(filled))
    try:
        rulings = _conditions(promised, filled, chosen)
    except ChaosctlError as error:
        return Outlook(title, str(path), faults, (), warnings, error)
    return Outlook(title, str(path), faults, rulings, warnings)


def _conditions(promised: Extension, filled: Mapping[str, Any], chosen: Chosen | None) -> tuple[Ruling, ...]:
    from runner.guardrails import conditions  # noqa: PLC0415 - only an experiment asks Prometheus beforehand

    inside = conditions.inside(queries(filled), promised.expected_alerts)
    return conditions.rule(chosen, promised.abort, inside)


def _others(filled: Mapping[str, Any]) -> list[str]:
    """Return what the experiment does besides its faults: that is not ours to foresee."""
    activities = [*(filled.get("method") or []), *(filled.get("rollbacks") or [])]
    return [
        f"{activity.get('name')!r} is played as well; what that touches is not known here."
        for activity in activities
        if activity.get("type") == "action"
        and not str((activity.get("provider") or {}).get("module", "")).startswith("actions.")
    ]


def _place(made: Plan, position: int) -> Place:
    at: Target = made.selected.targets[position]
    pick = made.selected.picks[position]
    who = at.name, pick.host, pick.namespace, pick.service
    if made.fault.enters and is_entered(at):
        return Place(*who)
    try:
        return Place(*who, made.fault.proof(at).function, made.fault.steps(at, new_id(), made.seconds))
    except ChaosctlError as error:
        return Place(*who, error=str(error))


def _warnings(made: Plan, places: Sequence[Place]) -> list[str]:
    unreached = [place.error for place in places if place.error]
    notes = [note for place in places for note in place.steps.notes]
    return list(dict.fromkeys([*unreached, *made.selected.notes, *notes, *_beyond(made)]))


def _beyond(made: Plan) -> list[str]:
    """Return what the person should know that no guardrail decides on."""
    found = []
    if made.fault.enters and any(is_entered(at) for at in made.selected.targets):
        found.append("Targets in the cluster were not looked into: that needs a pod of ours on their nodes.")
    if made.chosen is None:
        found.append("No environment is chosen: no limit on targets, time or duration applies.")
    if made.fault.ends_by is EndsBy.ONE_SHOT:
        found.append("It happens at once and cannot be undone; a replacement must come by itself.")
    elif made.fault.ends_by is EndsBy.GUARDIAN:
        found.append("It is ended by a guardian at the target: killing that as well would let it go on.")
    return found


def _account(place: Place) -> dict[str, Any]:
    steps = place.steps
    commands = {"inject": steps.inject, "undo": steps.undo}
    return {
        "target": place.target,
        "host": place.host,
        "namespace": place.namespace,
        "service": place.service,
        "proof": place.proof,
        **{key: [{"argv": each.argv, "stdin": each.stdin} for each in found] for key, found in commands.items()},
        "error": place.error,
    }
