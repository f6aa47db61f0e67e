"""The report of one run for a terminal: 80 columns, plain text unless colour is asked for."""

import shlex
import textwrap
from collections.abc import Iterable

from reports.chart import Paint, axis_lines, axis_of, numbers, series_lines
from reports.proof import proof_lines
from reports.record import FaultRecord, Judgement, Record, Series, ShareRecord
from reports.verdict import judge
from reports.words import printable
from runner.model import Outcome, Verdict, format_duration, iso

__all__ = ["summary"]

_COLUMNS = 80
_COLOURS = Paint(good="\x1b[32m", bad="\x1b[31m", dim="\x1b[2m", bold="\x1b[1m", end="\x1b[0m")
_VERDICTS = {
    Verdict.PASS: "Passed",
    Verdict.FAIL: "Failed",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.ERROR: "Error",
    Verdict.ABORTED: "Aborted",
}


def summary(record: Record, stored: str = "", *, colour: bool = False) -> str:
    """Return what a person wants to know of a run; `stored` is a sentence that says where its record is."""
    paint = _COLOURS if colour else Paint()
    judgement = record.judgement or judge(record)
    parts = [
        _heading(record, judgement, paint),
        _section("Why", _sentences(judgement.reasons), paint),
        _section("What was done", [line for fault in record.faults for line in _fault(fault)], paint),
        _section("Proof", [line for fault in record.faults for line in proof_lines(fault, record.started)], paint),
        _section("Steady state", _steady_state(record, paint), paint),
        _footer(record, stored, paint),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _heading(record: Record, judgement: Judgement, paint: Paint) -> list[str]:
    style = paint.good if judgement.verdict is Verdict.PASS else paint.bad
    origin = record.origin
    place = " in ".join(part for part in (record.promise.service, origin.environment) if part)
    started = f"started {_second(record.started)} by {origin.user} on {origin.host}"
    about = f"{place and place + ', '}{started}, took {format_duration(record.ended - record.started)}"
    return [
        f"{paint.put(style, _verdict(record, judgement))}",
        *textwrap.wrap(printable(record.experiment.title), _COLUMNS),
        *textwrap.wrap(printable(about), _COLUMNS),
    ]


def _second(moment: float) -> str:
    return f"{iso(moment)[:19].replace('T', ' ')} UTC"


def _verdict(record: Record, judgement: Judgement) -> str:
    if record.residue:
        return "Residue: something was left behind"
    if record.kind == "inject" and judgement.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE):
        return "Proven and healed" if judgement.verdict is Verdict.PASS else "Not proven"
    score = "" if judgement.score is None else f", {judgement.score:g} of 100"
    return f"{_VERDICTS[judgement.verdict]}{score}"


def _section(title: str, lines: Iterable[str], paint: Paint) -> list[str]:
    body = [f"  {line}" if line else "" for line in lines]
    return [paint.put(paint.bold, title), *body] if body else []


def _sentences(reasons: Iterable[str]) -> list[str]:
    return [line for reason in reasons for line in _wrapped(f"- {reason}")]


def _wrapped(text: str, hang: str = "  ") -> list[str]:
    return textwrap.wrap(printable(text), _COLUMNS - 4, subsequent_indent=hang, break_on_hyphens=False)


def _fault(fault: FaultRecord) -> list[str]:
    return [
        *_wrapped(f"{fault.name}: {fault.sentence.rstrip('.')}."),
        *(line for share in fault.shares if share.picked < share.of for line in _share(share)),
        *(line for note in fault.notes for line in _wrapped(f"  Note: {note}", "    ")),
    ]


def _share(share: ShareRecord) -> list[str]:
    return _wrapped(f"  For {share.picked} of {share.of} replicas of {share.service}.", "    ")


def _steady_state(record: Record, paint: Paint) -> list[str]:
    axis = axis_of(record)
    lines: list[str] = []
    for series in record.series:
        lines += [*_wrapped(_series_title(series)), *(f"  {line}" for line in series_lines(series, axis, paint))]
    return [*lines, *(f"  {line}" for line in axis_lines(record, axis, paint))] if lines else []


def _series_title(series: Series) -> str:
    good, bad = (sum(outcome is wanted for outcome in series.outcomes) for wanted in (Outcome.GOOD, Outcome.BAD))
    unknown = len(series.outcomes) - good - bad
    told = [f"{number} {word}" for number, word in ((good, "good"), (bad, "bad"), (unknown, "without data")) if number]
    values = numbers(series)
    low, high = (f"{limit(values, default=0.0):.4g}" for limit in (min, max))
    spread = "" if not values else f", {low} to {high}" if low != high else f", always {low}"
    return (
        f"{series.probe} ({'hard' if series.hard else 'soft'}, every {format_duration(series.interval)}): "
        f"{', '.join(told) or 'no samples'}{spread}"
    )


def _footer(record: Record, stored: str, paint: Paint) -> list[str]:
    lines = [*textwrap.wrap(stored, _COLUMNS), f"Look at it again: chaosctl report show {shlex.quote(record.run)}"]
    return [paint.put(paint.dim, line) for line in lines]
