"""A JUnit report as a record: what somebody else's tests say, kept beside runs, unverified and unscored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from reports.record import Experiment, Origin, Promise, Record, Series
from runner.errors import UsageError
from runner.model import Outcome

__all__ = ["MOST_CASES", "Source", "imported"]

MOST_CASES = 5_000
_LONGEST = 500


@dataclass(frozen=True)
class Source:
    """Whose report it is, and when it was received where it does not say itself."""

    service: str
    environment: str
    user: str
    host: str
    received: float


def imported(content: bytes, source: Source) -> Record:
    """Return a JUnit report as a record; its run is named by its content, so that the same report is one run.

    Raises UsageError for XML that is none, that has a document type or entities, or that holds too many cases.
    """
    root = _parsed(content)
    cases = list(root.iter("testcase"))
    if root.tag not in ("testsuites", "testsuite") or not cases:
        raise UsageError("This is no JUnit report: it holds no testsuite with a testcase.", "Send the XML of one.")
    if len(cases) > MOST_CASES:
        raise UsageError(
            f"The report holds {len(cases):,} cases; at most {MOST_CASES:,} are taken.", "Send it in parts."
        )
    suite = root if root.tag == "testsuite" else next(iter(root.iter("testsuite")), root)
    started = _moment(suite.get("timestamp")) or source.received
    series = tuple(_series(case, started) for case in cases)
    digest = sha256(b"\0".join([content, source.service.encode(), source.environment.encode()])).hexdigest()
    return Record(
        run=f"junit-{digest[:24]}",
        kind="junit",
        experiment=Experiment(title=_clean(root.get("name") or suite.get("name") or "JUnit report")),
        origin=Origin(
            user=source.user,
            host=source.host,
            how="JUnit import",
            environment=source.environment,
            environment_kind="",
            versions={},
        ),
        promise=Promise(service=source.service),
        started=started,
        ended=started + sum(entry.interval for entry in series),
        series=series,
    )


def _parsed(content: bytes) -> Element:
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise UsageError(
            "The XML has a document type or entities, which are not taken.", "A JUnit report needs neither."
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise UsageError(f"This is not XML: {error}.", "Send the XML of a JUnit report.") from error
    return root


def _series(case: Element, started: float) -> Series:
    outcome, detail = next(_outcomes(case), (Outcome.GOOD, ""))
    return Series(
        probe=_clean(".".join(part for part in (case.get("classname"), case.get("name")) if part) or "unnamed"),
        interval=_seconds(case.get("time")),
        resolution=0.0,
        start=started,
        offsets=(0.0,),
        values=({Outcome.GOOD: True, Outcome.BAD: False}.get(outcome),),
        outcomes=(outcome,),
        detail=detail,
    )


def _outcomes(case: Element) -> Iterator[tuple[Outcome, str]]:
    for tag, outcome in (("failure", Outcome.BAD), ("error", Outcome.FAILED), ("skipped", Outcome.NO_SERIES)):
        for found in case.iter(tag):
            yield outcome, _clean(found.get("message") or found.text or "")


def _clean(text: str) -> str:
    return text.strip()[:_LONGEST]


def _seconds(written: Any) -> float:
    """Return how long a case took; a time that is none, or that cannot be meant, is taken as a millisecond."""
    try:
        found = float(written)
    except (TypeError, ValueError):
        return 0.001
    return found if 0.001 <= found <= 86400 else 0.001


def _moment(written: str | None) -> float | None:
    try:
        found = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return moment if moment > 0 else None
