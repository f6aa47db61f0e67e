"""An SLO as experiments declare it: inline, or in a file in the format of OpenSLO or Sloth.

OpenSLO: https://github.com/openslo/openslo (kind SLO, v1). Sloth: https://sloth.dev (prometheus/v1, and its CRD).
"""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from runner.config import Duration
from runner.errors import InvalidFile

__all__ = ["Declared", "Events", "Slo", "resolved"]

_WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}|\$\{?window\}?")
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


class Slo(BaseModel):
    """A target share of good events in percent, and the queries that count them; or the file that says so."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    target: Annotated[float, Field(gt=0, lt=100, description="target share of good events, percent")] = 99.0
    name: str = ""
    window: Duration = 0.0
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
    found = [each for document in _documents(path) for each in _slos(document)]
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


def _slos(document: Any) -> Iterator[dict[str, Any]]:
    """Yield the SLOs of one document in the words of this module."""
    if not isinstance(document, Mapping):
        return
    spec: Mapping[str, Any] = _dig(document, "spec") or document
    if document.get("kind") == "SLO":
        yield _openslo(document, spec)
    for slo in spec.get("slos") or []:
        events = (slo.get("sli") or {}).get("events") or {}
        yield {
            "name": slo.get("name", ""),
            "target": slo.get("objective"),
            "bad": events.get("error_query") or events.get("errorQuery") or "",
            "total": events.get("total_query") or events.get("totalQuery") or "",
        }


def _openslo(document: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    ratio = _dig(spec, "indicator", "spec", "ratioMetric")
    objective: Mapping[str, Any] = next(iter(spec.get("objectives") or []), {})
    percent = objective.get("targetPercent")
    share = objective.get("target")
    window = _dig({"first": next(iter(spec.get("timeWindow") or []), {})}, "first").get("duration")
    return {
        "name": _dig(document, "metadata").get("name", ""),
        "target": percent if percent is not None else round(share * 100, 6) if isinstance(share, int | float) else None,
        **({"window": window} if window else {}),
        **{key: _query(ratio, name) for key, name in (("good", "good"), ("bad", "bad"), ("total", "total"))},
    }


def _query(ratio: Mapping[str, Any], name: str) -> str:
    return str(_dig(ratio, name, "metricSource", "spec").get("query", ""))


def _dig(data: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        data = data.get(name) or {}
        if not isinstance(data, Mapping):
            return {}
    return data


def _plain(query: str) -> str:
    return _WINDOW.sub("5m", query)
