"""A Markdown digest of runs, for chat and for the summary page of CI: what needs somebody comes first."""

from collections.abc import Sequence

from reports.exports.junit import NotRun
from reports.record import Record
from reports.services import Fleet, Service
from reports.trends import Finding
from reports.verdict import judge
from reports.words import counted, percent
from runner.errors import Residue
from runner.model import Verdict, iso

__all__ = ["digest"]

_ORDER = "residue", "error", "aborted", "fail", "inconclusive", "pass"


def digest(
    records: Sequence[Record], not_run: Sequence[NotRun] = (), found: Sequence[Finding] = (), fleet: Fleet | None = None
) -> str:
    """Return the digest of these runs, with what changed over the nights and how the services stand."""
    parts = [
        [f"## {_title(records, not_run)}"],
        _table(records),
        ["**Did not run**", "", *(f"- {_safe(each.name)}: {_safe(each.why)}" for each in not_run)] if not_run else [],
        _findings(found),
        _services(fleet) if fleet else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _title(records: Sequence[Record], not_run: Sequence[NotRun]) -> str:
    passed = sum(_word(record) == "pass" for record in records)
    of = len(records) + len(not_run)
    if not of:
        return "Chaos: nothing ran"
    day = f", {iso(max(record.started for record in records))[:10]}" if records else ""
    needs = of - passed
    if not needs:
        return f"Chaos{day}: {counted(of, 'run')} passed"
    return f"Chaos{day}: {needs} of {counted(of, 'run')} {'needs' if needs == 1 else 'need'} a look"


def _table(records: Sequence[Record]) -> list[str]:
    if not records:
        return []
    ordered = sorted(records, key=lambda record: (_ORDER.index(_word(record)), record.started))
    head = ["| verdict | score | service | experiment | why |", "|---|---:|---|---|---|"]
    return [*head, *(_row(record) for record in ordered)]


def _row(record: Record) -> str:
    judgement = record.judgement or judge(record)
    score = "-" if judgement.score is None else f"{judgement.score:g}"
    word = _word(record)
    shown = word if word == "pass" else f"**{word}**"
    why = judgement.reasons[0] if judgement.reasons else ""
    cells = (shown, score, record.promise.service or "-", f"{record.experiment.title} (`{record.run}`)", why)
    return f"| {' | '.join(_safe(cell) for cell in cells)} |"


def _word(record: Record) -> str:
    judgement = record.judgement or judge(record)
    return "residue" if judgement.exit_code == Residue.exit_code else Verdict(judgement.verdict).value


def _findings(found: Sequence[Finding]) -> list[str]:
    if not found:
        return []
    lines = [
        f"- {each.kind.value} of {_safe(str(each.key))}: {_safe(each.sentence)} "
        f"Compare `{each.between[0]}` with `{each.between[1]}`."
        for each in found
    ]
    return ["**Over the nights**", "", *lines]


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
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
