"""A Markdown digest of runs, for chat and for the summary page of CI: what needs somebody comes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.exports.junit import NotRun
from reports.record import Record
from reports.services import Fleet, Service
from reports.trends import Finding
from reports.verdict import judge
from reports.words import counted, percent, printable
from runner.errors import Residue
from runner.model import iso

if TYPE_CHECKING:
    from reports.store import Row

__all__ = ["digest"]

_ORDER = "residue", "error", "aborted", "fail", "inconclusive", "pass"


@dataclass(frozen=True)
class _Line:
    """One run in the table."""

    word: str
    score: float | None
    service: str
    title: str
    run: str
    why: str
    started: float


def digest(
    records: Sequence[Record],
    not_run: Sequence[NotRun] = (),
    found: Sequence[Finding] = (),
    fleet: Fleet | None = None,
    pruned: Sequence["Row"] = (),
) -> str:
    """Return the digest of these runs, with what changed over the nights and how the services stand.

    Of a run whose samples were pruned its verdict and its score are told.
    """
    lines = [*map(_of_record, records), *map(_of_row, pruned)]
    parts = [
        [f"## {_title(lines, not_run)}"],
        _table(lines),
        ["**Did not run**", "", *(f"- {_safe(each.name)}: {_safe(each.why)}" for each in not_run)] if not_run else [],
        _findings(found),
        _services(fleet) if fleet else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _of_record(record: Record) -> _Line:
    judgement = record.judgement or judge(record)
    word, why = _word(judgement.verdict.value, judgement.exit_code), next(iter(judgement.reasons), "")
    title = record.experiment.title
    return _Line(word, judgement.score, record.promise.service, title, record.run, why, record.started)


def _of_row(row: "Row") -> _Line:
    word, why = _word(row.verdict or "", row.exit_code), "its samples, and with them the reasons, were pruned"
    return _Line(word, row.score, row.service or "", row.title, row.run, why, row.started)


def _word(verdict: str, exit_code: int | None) -> str:
    return "residue" if exit_code == Residue.exit_code else verdict


def _title(lines: Sequence[_Line], not_run: Sequence[NotRun]) -> str:
    passed = sum(line.word == "pass" for line in lines)
    of = len(lines) + len(not_run)
    if not lines:
        return "Chaos: nothing ran"
    day = f", {iso(max(line.started for line in lines))[:10]}"
    needs = of - passed
    if not needs:
        return f"Chaos{day}: {counted(of, 'run')} passed"
    return f"Chaos{day}: {needs} of {counted(of, 'run')} {'needs' if needs == 1 else 'need'} a look"


def _table(lines: Sequence[_Line]) -> list[str]:
    if not lines:
        return []
    ordered = sorted(lines, key=lambda line: (_ORDER.index(line.word), line.started))
    head = ["| verdict | score | service | experiment | why |", "|---|---:|---|---|---|"]
    return [*head, *map(_row, ordered)]


def _row(line: _Line) -> str:
    score = "-" if line.score is None else f"{line.score:g}"
    shown = line.word if line.word == "pass" else f"**{line.word}**"
    cells = (shown, score, line.service or "-", f"{line.title} (`{line.run}`)", line.why)
    return f"| {' | '.join(_safe(cell) for cell in cells)} |"


def _findings(found: Sequence[Finding]) -> list[str]:
    if not found:
        return []
    return ["**Over the nights**", "", *(_finding(each) for each in found)]


def _finding(found: Finding) -> str:
    told = f"- {found.kind.value} of {_safe(str(found.key))}: {_safe(found.sentence)}"
    return f"{told} Compare `{found.between[0]}` with `{found.between[1]}`." if found.between else told


def _services(fleet: Fleet) -> list[str]:
    if not fleet.services:
        return []
    head = ["| service | score | covered | weakest fault | owner |", "|---|---:|---:|---|---|"]
    return [*head, *(_service(service) for service in fleet.services)]


def _service(service: Service) -> str:
    score = "-" if service.score is None else f"{service.score:g}"
    coverage = "-" if service.coverage is None else percent(service.coverage)
    weakest = service.parts[0] if service.parts else None
    told = "-" if weakest is None else f"{weakest.fault}, {weakest.low:g}" if weakest.covered else _uncovered(service)
    return f"| {' | '.join(map(_safe, (service.name, score, coverage, told, service.owner or '-')))} |"


def _uncovered(service: Service) -> str:
    return ", ".join(f"{part.fault} {part.state}" for part in service.parts if not part.covered)


def _safe(text: str) -> str:
    """Return the text on one line, with what would end a cell of a table or begin a tag escaped."""
    return printable(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")
