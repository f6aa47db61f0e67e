"""Experiments as files: what Chaos Toolkit does not check, and what chaosctl asks of them besides.

The extension `chaosctl` says what the experiment promises of its service; the score is computed from that.
"""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.config import Duration
from runner.discovery import fault
from runner.documents import Document
from runner.errors import UsageError
from runner.limits import Abort
from runner.plan import Request, read
from runner.slo import Declared, Events, Slo, resolved

__all__ = ["CONTROL", "Extension", "check", "experiment_hash", "extension", "has_control", "queries", "requests"]

CONTROL = {"name": "chaosctl", "provider": {"type": "python", "module": "runner.control"}}
_MODEL = "experiments/network-dns.yaml is a model to copy."
_KEYS = {
    "": "version title description tags configuration secrets contributions controls extensions "
    "steady-state-hypothesis method rollbacks runtime dry",
    "activity": "type name provider tolerance background pauses controls configuration secrets ref dry timeout",
    "hypothesis": "title description probes controls",
    "provider": "type module func arguments secrets url method headers timeout verify_tls max_retries path",
}


class Extension(BaseModel):
    """The `chaosctl` extension: what the experiment promises of its service."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    service: str = ""
    objective: Annotated[Duration, Field(description="recovery is expected within this time")] = 30.0
    slo: Declared = Slo()
    tolerated: Annotated[float | None, Field(gt=0, le=1, description="tolerated share of bad events")] = None
    events: Events | None = None
    hard: tuple[str, ...] | None = None
    invariants: tuple[str, ...] = ()
    weight: Annotated[float, Field(gt=0, description="of this fault in the score of the service")] = 1.0
    required: bool = True
    baseline: Annotated[int, Field(ge=1, description="good samples wanted before the fault")] = 5
    abort: Annotated[tuple[Abort, ...], Field(description="conditions on which everything is healed at once")] = ()
    expected_alerts: Annotated[tuple[str, ...], Field(description="critical alerts that belong to it")] = ()

    def is_hard(self, probe: str) -> bool:
        """Whether a probe outside its tolerance fails the run: those listed in `hard`; without a list, all."""
        return self.hard is None or probe in self.hard

    def counters(self) -> Events | None:
        """Return what counts the service's events: `events`, else the queries of its SLO; None without either."""
        return self.events or self.slo.events()

    def notes(self) -> list[str]:
        """Return what the person should know of it before it runs: that time will stand in for events."""
        return [note] if self.events is None and (note := self.slo.note()) else []

    def slo_apart(self) -> Slo | None:
        """Return the SLO where the extension only names its file: two runs with another one are not comparable."""
        return self.slo if self.slo.file else None

    def promise(self) -> dict[str, Any]:
        """Return what a record keeps of it, in the shape of reports.record.Promise."""
        kept = self.model_dump(include={"service", "objective", "tolerated", "weight", "required", "baseline"})
        return kept | {"slo": self.slo.target, "slo_name": self.slo.name, "slo_window": self.slo.window}


def check(path: Path) -> dict[str, Any]:
    """Return the experiment in a file; raises InvalidFile for keys Chaos Toolkit would silently ignore.

    A misspelt `rolbacks` is a fault that nobody rolls back.
    """
    document = Document.read(path)
    if not isinstance(document.data, dict):
        raise document.wrong([], "an experiment is keys and values: title, description, method and others.", _MODEL)
    experiment: dict[str, Any] = document.data
    _check_keys(document, experiment, [], "")
    for key in ("controls", "extensions"):
        for position, entry in enumerate(_listed(document, experiment.get(key), [key])):
            if not isinstance(entry, dict):
                raise document.wrong([key, position], "expected keys and values here.", _MODEL)
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    _check_keys(document, hypothesis, ["steady-state-hypothesis"], "hypothesis")
    for section, activities in (
        (["steady-state-hypothesis", "probes"], hypothesis.get("probes")),
        (["method"], experiment.get("method")),
        (["rollbacks"], experiment.get("rollbacks")),
    ):
        _check_activities(document, _listed(document, activities, section), section)
    for position, entry in enumerate(experiment.get("extensions") or []):
        if isinstance(entry, dict) and entry.get("name") == "chaosctl":
            _check_extension(document, entry, ["extensions", position], hypothesis)
    return experiment


def extension(experiment: Mapping[str, Any], folder: Path | None = None) -> Extension:
    """Return the experiment's `chaosctl` extension with its variables filled in, or the defaults where it has none.

    An SLO in a file is read from there; `folder` is the experiment's own.
    """
    for entry in experiment.get("extensions") or []:
        if entry.get("name") == "chaosctl":
            try:
                found = Extension.model_validate(entry)
                return found.model_copy(update={"slo": resolved(found.slo, folder or Path())})
            except ValidationError as error:
                first = error.errors()[0]
                place = ".".join(str(step) for step in first["loc"])
                raise UsageError(f"The experiment's chaosctl extension: {place}: {first['msg']}.") from error
    return Extension(name="chaosctl")


def requests(experiment: Mapping[str, Any]) -> list[Request]:
    """Return what the faults of an experiment with its variables filled in ask for.

    Raises UsageError that names the activity and the parameter.
    """
    found = []
    for activity in experiment.get("method") or []:
        provider = activity.get("provider") or {}
        if str(provider.get("module", "")).startswith("actions."):
            try:
                declared = fault(str(provider.get("func")).replace("_", "-"))
                found.append(read(declared, provider.get("arguments") or {}))
            except UsageError as error:
                raise UsageError(f"Action {activity.get('name')!r}: {error.message}", error.fix) from error
    return found


def queries(experiment: Mapping[str, Any]) -> list[str]:
    """Return the PromQL of the hypothesis, with its variables filled in."""
    probes = (experiment.get("steady-state-hypothesis") or {}).get("probes") or []
    found = ((probe.get("provider") or {}).get("arguments") for probe in probes)
    return [str(given["query"]) for given in found if isinstance(given, Mapping) and "query" in given]


def has_control(experiment: Mapping[str, Any]) -> bool:
    """Whether the experiment attaches runner.control itself."""
    return any(
        control.get("provider", {}).get("module") == "runner.control" for control in experiment.get("controls") or []
    )


def experiment_hash(experiment: Mapping[str, Any], configuration: Mapping[str, Any], slo: Slo | None = None) -> str:
    """Return the hash of what makes two runs comparable.

    Steady state, method, rollbacks, extension and resolved configuration count, and an `slo` that stands in a file of
    its own; title, description and tags do not.
    """
    counted = {key: experiment.get(key) for key in ("steady-state-hypothesis", "method", "rollbacks", "extensions")}
    apart = [slo.model_dump()] if slo else []
    text = json.dumps([counted, dict(configuration), *apart], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _listed(document: Document, value: Any, place: Sequence[str | int]) -> list[Any]:
    if not isinstance(value, list | None):
        raise document.wrong(place, "expected a list here, each entry behind a dash.", _MODEL)
    return value or []


def _check_activities(document: Document, activities: Sequence[Any], section: Sequence[str | int]) -> None:
    for position, activity in enumerate(activities):
        place = [*section, position]
        _check_keys(document, activity, place, "activity")
        _check_keys(document, activity.get("provider") or {}, [*place, "provider"], "provider")
        arguments = (activity.get("provider") or {}).get("arguments") or {}
        for key in arguments if isinstance(arguments, dict) else ():
            if not isinstance(key, str):
                told = f"the argument {key!r} is no name: YAML reads on, off, yes and no as true and false."
                raise document.wrong([*place, "provider", "arguments"], told, "Write `where:` for the target.")


def _check_keys(document: Document, mapping: Any, place: Sequence[str | int], kind: str) -> None:
    known = _KEYS[kind].split()
    if not isinstance(mapping, dict):
        raise document.wrong(place, "expected keys and values here.", _MODEL)
    for key in mapping:
        if key not in known and not str(key).startswith("x-"):
            near = difflib.get_close_matches(str(key), known, 1)
            meant = f"Did you mean {near[0]!r}?" if near else f"Known here: {', '.join(known)}."
            raise document.wrong([*place, key], "is not a key that Chaos Toolkit knows; it would be ignored.", meant)


def _check_extension(
    document: Document, entry: Mapping[str, Any], place: Sequence[str | int], hypothesis: Mapping[str, Any]
) -> None:
    """Check all but what variables are yet to fill in."""
    known = {key: value for key, value in entry.items() if not (isinstance(value, str) and "${" in value)}
    try:
        parsed = Extension.model_validate(known)
    except ValidationError as error:
        known_here = f"Known in the extension: {', '.join(Extension.model_fields)}."
        raise document.invalid(error, known_here, place) from error
    names = [probe.get("name") for probe in hypothesis.get("probes") or []]
    for key, name in [*(("hard", each) for each in parsed.hard or ()), *(("invariants", n) for n in parsed.invariants)]:
        if name not in names:
            known_probes = f"Its probes are: {', '.join(map(repr, names)) or 'none'}."
            raise document.wrong([*place, key], f"no probe of the hypothesis is called {name!r}.", known_probes)
