"""One run as one HTML page that needs nothing else: no network, no scripts, no fonts, light and dark, on paper too."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from reports.explain import explain_run
from reports.exports.curve import HEIGHT, WIDTH, curves, marks, ticks
from reports.record import FaultRecord, Record, TargetRecord
from reports.steady import fault_window
from reports.validity import target_gap
from reports.verdict import judge
from reports.words import after_start
from runner.errors import Residue
from runner.model import Verdict, format_duration, iso

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["html"]

_WORDS = {
    Verdict.PASS: "Passed",
    Verdict.FAIL: "Failed",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.ERROR: "Error",
    Verdict.ABORTED: "Aborted",
}


def html(record: Record) -> str:
    """Return the page."""
    judgement, window = record.judgement or judge(record), fault_window(record)
    residue = judgement.exit_code == Residue.exit_code
    return _template().render(
        record=record,
        judgement=judgement,
        word="Residue" if residue else _WORDS[judgement.verdict],
        tone="error" if residue else judgement.verdict.value,
        explained=explain_run(record, judgement.formula),
        curves=curves(record),
        marks=marks(record, window, judgement.steady_again),
        ticks=ticks(record),
        width=WIDTH,
        height=HEIGHT,
        faults=[(fault, [_target(target, record.started) for target in fault.targets]) for fault in record.faults],
        parameters=_parameters,
        started=f"{iso(record.started)[:19].replace('T', ' ')} UTC",
        took=format_duration(record.ended - record.started),
        after=lambda moment: after_start(moment, record.started),
    )


def _parameters(fault: FaultRecord) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(fault.parameters.items()) if value not in (None, ""))


def _target(target: TargetRecord, started: float) -> dict[str, Any]:
    gap = target_gap(target)
    return {
        "name": target.target,
        "looks": [
            (look.phase, look.sight.value, after_start(look.answered, started), look.detail) for look in target.looks
        ],
        "span": " to ".join("-" if at is None else after_start(at, started) for at in (target.committed, target.ended)),
        "ended": {"deadline": "ended by its deadline", "undone": "undone"}.get(
            target.ended_how, "nobody saw how it ended"
        ),
        "hits": "not counted" if target.hits is None else f"{target.hits:,}",
        "gap": gap.what if gap else "",
    }


@lru_cache(maxsize=1)
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only pages need it

    pages = Environment(loader=PackageLoader("reports.exports"), autoescape=True, undefined=StrictUndefined)
    pages.trim_blocks = pages.lstrip_blocks = True
    return pages.get_template("run.html")
