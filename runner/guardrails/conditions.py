"""Abort conditions and critical alerts: PromQL asked every second, as long as a fault may be live.

As in an alerting rule, a condition holds while its query answers with a series. No answer is no yes: after three in a
row the run is blind, and what is live is healed.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from runner.config import Chosen
from runner.errors import Aborted, ChaosctlError, Inconclusive, Unreachable, UsageError
from runner.guardrails.ruling import Ruling, allow, deny
from runner.guardrails.watch import Guard
from runner.limits import Abort

__all__ = ["Asked", "guards", "inside", "rule"]

_ABORT, _ALERT = "abort condition", "critical alert"
_BLIND_AFTER = 3
_PATIENCE = 2.0


class Asked:
    """One query that is asked every second; `name` is what it is called, `kind` which guardrail it belongs to."""

    every = 1.0

    def __init__(self, kind: str, name: str, query: str, server: Any) -> None:
        self.name = f"{kind} {name!r}" if name else kind
        self.kind = kind
        self.query = query
        self._server = server
        self._lost = 0

    def look(self) -> ChaosctlError | None:
        """Return what aborts the run once the condition holds, or why nobody knows whether it does."""
        try:
            found = self.holding()
        except (Inconclusive, Unreachable) as error:
            self._lost += 1
            if self._lost < _BLIND_AFTER:
                return None
            told = f"The {self.name} had no answer {self._lost} times in a row: {error.message}"
            return Inconclusive(f"{told} The run is blind, so what was live was healed at once.", error.fix)
        self._lost = 0
        return Aborted(f"The {self.name} {found}. What was live was healed at once.") if found else None

    def holding(self) -> str:
        """Return what the query answers with while the condition holds, in words; nothing where it does not hold."""
        rows = self._server.series(self.query)
        return _spoken(self.kind, rows) if rows else ""

    def ruling(self) -> Ruling:
        """Return whether a run may begin: where it holds already, nothing that comes could be told from it."""
        if found := self.holding():
            fix = "See to that first, or correct the query: it must answer with nothing while all is well."
            return deny(self.kind, f"The {self.name} {found} already, before any fault.", fix)
        silent = self._server.unmatched(self.query) if self.kind == _ABORT else []
        doubt = f"; nothing matches {', '.join(silent)} now: mind the spelling" if silent else ""
        return allow(self.kind, f"`{self.query}` does not hold, and is asked every second{doubt}")

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()


def guards(chosen: Chosen | None, declared: Sequence[Abort] = (), expected: Collection[str] = ()) -> list[Guard]:
    """Return what is asked during a run: the environment's conditions, the experiment's own, and critical alerts.

    `expected` are alerts that belong to the hypothesis. Raises UsageError where there is a condition and nobody to ask.
    """
    return list(_asked(chosen, declared, expected))


def rule(chosen: Chosen | None, declared: Sequence[Abort] = (), expected: Collection[str] = ()) -> tuple[Ruling, ...]:
    """Return whether none of them holds before a run; raises Unreachable, UsageError, Inconclusive."""
    found = []
    for asked in _asked(chosen, declared, expected):
        try:
            found.append(asked.ruling())
        finally:
            asked.close()
    return tuple(found) or (allow(_ABORT, "none is watched: the environment names no Prometheus"),)


def inside(queries: Sequence[str], expected: Sequence[str]) -> set[str]:
    """Return the names of alerts that belong to the hypothesis: those its queries name, and those it expects."""
    named = (re.findall(r'alertname\s*=\s*"([^"]+)"', query) for query in queries)
    return {*expected, *(name for names in named for name in names)}


def _asked(chosen: Chosen | None, declared: Sequence[Abort], expected: Collection[str]) -> Iterator[Asked]:
    prometheus = chosen.environment.prometheus if chosen else None
    limits = chosen.environment.guardrails if chosen else None
    conditions = (*(limits.abort if limits else ()), *declared)
    if prometheus is None:
        if conditions:
            raise UsageError(
                f"The abort condition {conditions[0].name!r} cannot be watched: no Prometheus is named.",
                "Add `prometheus: {url: ...}` to the environment in chaosctl.yaml; without it nobody would abort.",
            )
        return
    server = import_module("probes.prometheus").Server
    hurried = prometheus.model_copy(update={"timeout": min(prometheus.timeout, _PATIENCE)})
    for condition in conditions:
        yield Asked(_ABORT, condition.name, condition.query, server(hurried))
    if limits and limits.critical_alert:
        yield Asked(_ALERT, "", _alerts(limits.critical_alert, expected), server(hurried))


def _alerts(labels: Mapping[str, str], expected: Collection[str]) -> str:
    """Return the query for alerts with these labels that fire and do not belong to the hypothesis."""
    terms = ['alertstate="firing"']
    terms += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()]
    if expected:
        terms.append(f"alertname!~{json.dumps('|'.join(re.escape(name) for name in sorted(expected)))}")
    return f"ALERTS{{{','.join(terms)}}}"


def _spoken(kind: str, rows: Sequence[Any]) -> str:
    if kind == _ALERT:
        names = sorted({row.labels.get("alertname", "without a name") for row in rows})
        return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} firing"
    labels = ",".join(f"{key}={value}" for key, value in sorted(rows[0].labels.items()) if key != "__name__")
    more = f" and {len(rows) - 1} more series" if len(rows) > 1 else ""
    return f"holds: {rows[0].points[-1][1]:g}{f' for {labels}' if labels else ''}{more}"
