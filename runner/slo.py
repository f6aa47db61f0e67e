"""An SLO as experiments declare it: inline, or in a file in the format of OpenSLO or Sloth.

OpenSLO: https://github.com/openslo/openslo (kind SLO, v1). Sloth: https://sloth.dev (prometheus/v1, and its CRD).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from runner.config import Duration
from runner.errors import InvalidFile

__all__ = ["Declared", "Events", "Slo", "resolved"]

_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}|\$\{?window\}?")
_WEEKS = re.compile(r"\s*(\d+)w\s*")
_CALENDAR = re.compile(r"\s*\d+([MQY])\s*")
_FORMATS = "OpenSLO (kind: SLO, ratioMetric) and Sloth (prometheus/v1, or kind: PrometheusServiceLevel) are known."


class Events(BaseModel):
    """Selectors of the counters that count the service's events: all of them, and the bad or the good ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    all: str
    bad: str = ""
    good: str = ""

    @model_validator(mode="after")
    def _one(self) -> "Events":
        if bool(self.bad) == bool(self.good):
            raise ValueError("events are `all` and one of `bad` and `good`")
        return self


def _in_days(written: object) -> object:
    """Return weeks as days; raises ValueError for a month, a quarter or a year, which have no certain length."""
    if not isinstance(written, str):
        return written
    if found := _CALENDAR.fullmatch(written):
        unit = {"M": "month", "Q": "quarter", "Y": "year"}[found[1]]
        told = f"{written.strip()!r} is measured by the calendar, where one {unit} is longer than another"
        raise ValueError(f"{told}: write days or weeks, such as 30d or 4w")
    weeks = _WEEKS.fullmatch(written)
    return f"{7 * int(weeks[1])}d" if weeks else written


class Slo(BaseModel):
    """A target share of good events in percent, and the queries that count them; or the file that says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Annotated[float, Field(gt=0, lt=100, description="target share of good events, percent")] = 99.0
    name: str = ""
    window: Annotated[Duration, BeforeValidator(_in_days)] = 0.0
    total: str = ""
    good: str = ""
    bad: str = ""
    file: str = Field(default="", description="a file in the format of OpenSLO or Sloth, beside the experiment")

    @model_validator(mode="after")
    def _whole(self) -> "Slo":
        if self.file and self.model_fields_set - {"file", "name"}:
            raise ValueError("with `file`, the file says all but which `name` is meant")
        if (self.good or self.bad or self.total) and not (self.total and bool(self.good) != bool(self.bad)):
            raise ValueError("the queries of an SLO are `total` and one of `good` and `bad`")
        return self

    def note(self) -> str:
        """Return what to know where its file gives a target and no counters; empty otherwise."""
        if not self.file or self.total:
            return ""
        return (
            f"No counters of good and of all events were found in {self.file} for the SLO {self.name!r}, only a "
            f"target of {self.target:g}%: time stands in for events. `events` in the experiment has them counted."
        )

    def events(self) -> Events | None:
        """Return the counters in its queries; None where it has none. Raises UsageError where one holds several."""
        if not self.total:
            return None
        counter = import_module("probes.prometheus").counter_in
        found = {name: counter(_plain(query)) for name in ("good", "bad") if (query := getattr(self, name))}
        return Events(all=counter(_plain(self.total)), **found)


def _written(value: object) -> object:
    return {"target": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


Declared = Annotated[Slo, BeforeValidator(_written)]
"""An SLO, or its target alone as a number."""


def resolved(slo: Slo, folder: Path) -> Slo:
    """Return an SLO with what its file says; raises InvalidFile where that cannot be used."""
    if not slo.file:
        return slo
    path = folder / slo.file
    found = list(_slos(_documents(path)))
    named = [each for each in found if slo.name in ("", each["name"])]
    if len(named) != 1:
        there = ", ".join(str(each["name"]) for each in found) or "none"
        told = f"{len(named)} SLOs are called {slo.name!r}" if slo.name else f"it holds {len(found)} SLOs"
        raise InvalidFile(str(path), "slo", f"{told}, one is needed (there: {there}).", f"Name one. {_FORMATS}")
    try:
        return Slo.model_validate(named[0]).model_copy(update={"file": slo.file})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"]) or "slo"
        raise InvalidFile(str(path), field, f"{first['msg']}.", _FORMATS) from error


def _documents(path: Path) -> list[Any]:
    try:
        return list(yaml.safe_load_all(path.read_text()))
    except OSError as error:
        fix = "Paths of SLO files begin at the experiment's own folder."
        raise InvalidFile(str(path), "slo", f"cannot be read: {error.strerror}.", fix) from error
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidFile(str(path), "syntax", f"not YAML: {' '.join(str(error).split())}.", _FORMATS) from error


def _slos(documents: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """Yield the SLOs of all documents in the words of this module."""
    known = [document for document in documents if isinstance(document, Mapping)]
    indicators = {str(_dig(each, "metadata").get("name")): each for each in known if each.get("kind") == "SLI"}
    for document in known:
        if document.get("kind") == "SLO":
            yield from _openslo(document, indicators)
        yield from _sloth(_dig(document, "spec") or document)


def _sloth(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for slo in _mappings(spec.get("slos")):
        events = _dig(slo, "sli", "events")
        yield {
            "name": slo.get("name", ""),
            "target": slo.get("objective"),
            "bad": events.get("error_query") or events.get("errorQuery") or "",
            "total": events.get("total_query") or events.get("totalQuery") or "",
        }


def _openslo(document: Mapping[str, Any], indicators: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the SLO; one with several objectives as several, each named NAME/OBJECTIVE."""
    spec = _dig(document, "spec") or document
    name = _dig(document, "metadata").get("name", "")
    window = next(iter(_mappings(spec.get("timeWindow"))), {}).get("duration")
    objectives = _mappings(spec.get("objectives")) or [{}]
    for objective in objectives:
        target = _target(objective)
        ratio = _ratio(objective if {"indicator", "indicatorRef"} & objective.keys() else spec, indicators)
        called = objective.get("displayName") or (f"{target:.10g}" if isinstance(target, int | float) else target)
        yield {
            "name": name if len(objectives) == 1 else f"{name}/{called}",
            "target": target,
            **({"window": window} if window else {}),
            **{key: _query(ratio, key) for key in ("good", "bad", "total")},
        }


def _target(objective: Mapping[str, Any]) -> Any:
    percent, share = objective.get("targetPercent"), objective.get("target")
    return percent if percent is not None else round(share * 100, 6) if isinstance(share, int | float) else None


def _ratio(place: Mapping[str, Any], indicators: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the ratioMetric of the indicator that stands here, or that is named here and stands beside the SLO."""
    indicator = _dig(place, "indicator") or indicators.get(str(place.get("indicatorRef")), {})
    return _dig(indicator, "spec", "ratioMetric")


def _query(ratio: Mapping[str, Any], name: str) -> str:
    return str(_dig(ratio, name, "metricSource", "spec").get("query", ""))


def _mappings(data: Any) -> list[Mapping[str, Any]]:
    """Return the entries of a list; one that is no mapping says nothing, and what it lacks is told."""
    return [each if isinstance(each, Mapping) else {} for each in data] if isinstance(data, list) else []


def _dig(data: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        data = data.get(name) or {}
        if not isinstance(data, Mapping):
            return {}
    return data


def _plain(query: str) -> str:
    return _WINDOW.sub("5m", query)
