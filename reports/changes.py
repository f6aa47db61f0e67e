"""What differs between two runs: what ran there, with what, and what came of it. Pure functions of records."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reports.record import Record
from reports.verdict import judge
from runner.model import format_duration

__all__ = ["Change", "changes", "outcome_changes"]

_NOTHING = "-"


@dataclass(frozen=True)
class Change:
    """One thing that differs; a side that does not have it is a dash."""

    what: str
    before: str
    after: str


def changes(before: Record, after: Record) -> list[Change]:
    """Return what changed around the service between two runs: labels first, then versions and the rest.

    Labels are images, chart versions and Git revisions, as found in the cluster or given by `--label`.
    """
    found = [
        *_mapped("", before.origin.labels, after.origin.labels),
        *_mapped("version of ", before.origin.versions, after.origin.versions),
        *_mapped("", _around(before), _around(after)),
        *_mapped("parameter ", _parameters(before), _parameters(after)),
    ]
    return [change for change in found if change.before != change.after]


def outcome_changes(before: Record, after: Record) -> list[Change]:
    """Return what came out otherwise: verdict, score and the figures behind it."""
    return [change for change in _mapped("", _figures(before), _figures(after)) if change.before != change.after]


def _around(record: Record) -> dict[str, str]:
    return {
        "environment": record.origin.environment,
        "host that ran it": record.origin.host,
        "experiment": record.experiment.path or record.experiment.title,
        "experiment hash": record.experiment.hash,
        "objective": format_duration(record.promise.objective),
        "SLO": f"{record.promise.slo:g}%",
        "targets": ", ".join(sorted({target.target for fault in record.faults for target in fault.targets})),
    }


def _parameters(record: Record) -> dict[str, Any]:
    return {f"{fault.name} {name}": value for fault in record.faults for name, value in fault.parameters.items()}


def _figures(record: Record) -> dict[str, str]:
    judgement = record.judgement or judge(record)
    return {
        "verdict": judgement.verdict.value,
        "score": _number(judgement.score, "{:g}"),
        "bad share": _number(judgement.bad_share, "{:.2%}"),
        "absorbed (A)": _number(judgement.absorbed, "{:.2f}"),
        "recovered (R)": _number(judgement.recovered, "{:.2f}"),
        "recovery time": _NOTHING if judgement.recovery_time is None else format_duration(judgement.recovery_time),
        "events": _number(judgement.events, "{:,.0f}"),
        "reason": judgement.reasons[0] if judgement.reasons else _NOTHING,
    }


def _number(value: float | None, form: str) -> str:
    return _NOTHING if value is None else form.format(value)


def _mapped(prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        yield Change(f"{prefix}{name}", str(before.get(name, _NOTHING)), str(after.get(name, _NOTHING)))
