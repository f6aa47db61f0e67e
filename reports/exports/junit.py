"""JUnit XML: a case for each fault x target x probe, for CI.

A failed probe is a failure. What is not known is an error, never a pass: an inconclusive run, an aborted one, one that
never ended and one that never began. Skips do not exist here, because CI shows them green.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from reports.record import Judgement, Record
from reports.score import hard_failures
from reports.steady import fault_window, samples
from reports.validity import is_gate
from reports.verdict import judge
from reports.words import after_start, counted
from runner.errors import Residue
from runner.model import Verdict, iso

if TYPE_CHECKING:
    from reports.store import Row

__all__ = ["NotRun", "junit"]

_UNWRITABLE = "\ufffe\uffff"


@dataclass(frozen=True)
class NotRun:
    """Something that was meant to run, or began and never ended; `why` is a sentence."""

    name: str
    why: str


@dataclass(frozen=True)
class _Case:
    classname: str
    name: str
    wrong: str = ""
    why: str = ""
    kind: str = ""
    seconds: float = 0.0


def junit(records: Iterable[Record], not_run: Sequence[NotRun] = (), pruned: Iterable["Row"] = ()) -> str:
    """Return one document with a suite for each record, and one for what did not run.

    Of a run whose samples were pruned there is the case of its verdict alone.
    """
    suites = [*map(_suite, records), *map(_remains, pruned)]
    if not_run:
        cases = [_Case(each.name, "did not run", "error", each.why, "did not run") for each in not_run]
        suites.append(_element("did not run", cases))
    root = ET.Element("testsuites", {"name": "chaosctl"})
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}")
    root.extend(suites)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(record: Record) -> ET.Element:
    judgement = record.judgement or judge(record)
    wrong, kind = _wrong(judgement.verdict, judgement.exit_code)
    why = "\n".join(judgement.reasons) if wrong else ""
    whole = _Case(_about(record), "verdict", wrong, why, kind, seconds=record.ended - record.started)
    suite = _element(record.experiment.title, [*_cases(record, wrong, why, kind), whole])
    return _described(suite, record.started, record.origin.host, _properties(record, judgement))


def _remains(row: "Row") -> ET.Element:
    """Return the suite of a run of which the verdict is left."""
    wrong, kind = _wrong(Verdict(row.verdict or Verdict.ERROR), row.exit_code)
    why = f"It came to {row.outcome}. Its samples, and with them the reasons, were pruned." if wrong else ""
    seconds = (row.ended or row.started) - row.started
    suite = _element(row.title, [_Case(row.service or row.title, "verdict", wrong, why, kind, seconds)])
    known = {"run": row.run, "environment": row.environment, "service": row.service or "", "experiment": row.path}
    known |= {"verdict": row.verdict or "", "score": _figure(row.score), "formula": row.formula or ""}
    return _described(suite, row.started, row.host, known | {"samples": "pruned"})


def _described(suite: ET.Element, started: float, host: str, known: Mapping[str, str]) -> ET.Element:
    suite.set("timestamp", iso(started)[:19])
    suite.set("hostname", host)
    properties = ET.Element("properties")
    for name, value in known.items():
        ET.SubElement(properties, "property", {"name": name, "value": _clean(value)})
    suite.insert(0, properties)
    return suite


def _properties(record: Record, judgement: Judgement) -> dict[str, str]:
    return {
        "run": record.run,
        "environment": record.origin.environment,
        "service": record.promise.service,
        "experiment": record.experiment.path,
        "verdict": judgement.verdict.value,
        "score": _figure(judgement.score),
        "formula": judgement.formula,
        **{f"label.{name}": value for name, value in record.origin.labels.items()},
    }


def _figure(score: float | None) -> str:
    return "" if score is None else f"{score:g}"


def _wrong(verdict: Verdict, exit_code: int | None) -> tuple[str, str]:
    """Return what is wrong with the run as a whole: nothing, a failure or an error, and of which kind."""
    kind = "residue" if exit_code == Residue.exit_code else verdict.value
    wrong = {Verdict.PASS: "", Verdict.FAIL: "failure"}.get(verdict, "error")
    return wrong, kind if wrong else ""


def _cases(record: Record, wrong: str, why: str, kind: str) -> Iterator[_Case]:
    failed = _failed(record) if wrong != "error" else {}
    if is_gate(record) or not record.faults:
        places = [(_about(record), "")]
    else:
        places = [(f"{_about(record)}.{f.name}", f"{t.target}: ") for f in record.faults for t in f.targets]
    for classname, prefix in places:
        for probe in sorted({series.probe for series in record.series}) or ["proof"]:
            if wrong == "error":
                yield _Case(classname, f"{prefix}{probe}", wrong, why, kind)
            elif probe in failed:
                yield _Case(classname, f"{prefix}{probe}", "failure", failed[probe], "fail")
            else:
                yield _Case(classname, f"{prefix}{probe}")


def _failed(record: Record) -> dict[str, str]:
    """Return the probes that failed, with how; a soft one never does, its dips are in the score."""
    window = fault_window(record)
    if window:
        judgement = record.judgement or judge(record)
        bad = hard_failures(record, window, judgement.steady_again)
    elif is_gate(record):
        every = {series.probe: samples(series).bad() for series in record.series}
        bad = {probe: slots for probe, slots in every.items() if slots}
    else:
        bad = {}
    return {
        probe: f"{counted(len(slots), 'sample')} out of tolerance, "
        f"the first at {after_start(slots[0].at, record.started)}"
        for probe, slots in bad.items()
    }


def _about(record: Record) -> str:
    return record.promise.service or record.experiment.title


def _element(name: str, cases: Sequence[_Case]) -> ET.Element:
    suite = ET.Element("testsuite", {"name": _clean(name), "tests": str(len(cases)), "skipped": "0"})
    suite.set("failures", str(sum(case.wrong == "failure" for case in cases)))
    suite.set("errors", str(sum(case.wrong == "error" for case in cases)))
    suite.set("time", f"{sum(case.seconds for case in cases):.3f}")
    for case in cases:
        entry = ET.SubElement(suite, "testcase", {"classname": _clean(case.classname), "name": _clean(case.name)})
        entry.set("time", f"{case.seconds:.3f}")
        if case.wrong:
            first = _clean(case.why).partition("\n")[0]
            ET.SubElement(entry, case.wrong, {"type": case.kind, "message": first}).text = _clean(case.why)
    return suite


def _clean(text: str) -> str:
    """Return the text without the control characters that XML has no way to write."""
    return "".join(letter for letter in text if letter in "\n\t" or (ord(letter) >= 32 and letter not in _UNWRITABLE))
