"""From bytes to what the store keeps: parsed, checked, and judged here whatever the sender claims of it, or later.

Pure, so that other processes can do it for a bulk.
"""

import json
import math
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from pydantic import ValidationError

from reports.api.problems import FieldError, Problem, invalid
from reports.packing import Packed, Unjudged, hold, pack
from reports.record import AS_WRITTEN, Record
from reports.verdict import judge

__all__ = ["held", "ordinary", "packed", "received"]

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")
_LATEST = 4_102_444_800.0
_SUPPORTED = 1
_LONGEST = 200
_LEAST, _MOST = 1e-6, 1e12
_INTERVALS = 1_000_000
"""A sample further on would have judging count as many that are missing before it."""


def packed(content: bytes, project: str) -> Packed:
    """Return a record as it is kept; raises Problem where it is none, or none that can be judged."""
    return received(_record(content), project)


def held(content: bytes, project: str) -> Unjudged:
    """Return a record as it is kept until it is judged; raises Problem as packed() does.

    One that is out of the ordinary is judged already, to see that it can be.
    """
    record = _record(content, AS_WRITTEN)
    if ordinary(record) and b"\\u0000" not in content:
        _check(record)
    else:
        packed(content, project)
    return hold(record, content, project)


def ordinary(record: Record) -> bool:
    """Whether all numbers of a record are such that no sum, quotient or duration of them can overflow."""
    return all(number == 0 or _LEAST <= abs(number) <= _MOST for number in _numbers(record))


def received(record: Record, project: str) -> Packed:
    """Return a record from outside as it is kept, with the judgement that follows from it and no other."""
    _check(record)
    try:
        whole = record.model_copy(update={"judgement": judge(record)})
    except (ArithmeticError, LookupError, ValueError) as error:
        raise _unfit("/", f"its figures cannot be judged: {error}") from error
    kept = pack(whole, project)
    _check_texts(kept)
    return kept


def _numbers(record: Record) -> Iterator[float]:
    """Yield the numbers that judging looks at; for a column its length as a vector, which none of them exceeds."""
    promise = record.promise
    yield from (promise.objective, promise.slo, promise.tolerated or 0, promise.slo_window, promise.baseline)
    for fault in record.faults:
        yield from (fault.duration, fault.at_least or 0)
        for target in fault.targets:
            at = target.committed, target.deadline, target.effective, target.ended, target.healed, target.hits
            yield from (each or 0 for each in at)
            yield from (moment for look in target.looks for moment in (look.asked, look.answered))
    for series in record.series:
        yield from (series.interval, series.resolution, series.start, math.hypot(*series.offsets))
    if record.events:
        columns = record.events.offsets, record.events.all, record.events.bad
        yield from (record.events.start, *(math.hypot(*column) for column in columns))


def _record(content: bytes, context: Any = None) -> Record:
    try:
        record = Record.model_validate_json(content, context=context)
    except ValidationError as error:
        raise _told(content, error) from error
    if b"NaN" in content or b"Infinity" in content:
        _only_json(content)
    return record


def _only_json(content: bytes) -> None:
    """Refuse numbers that JSON has no word for; where any value may stand, as in the journal, pydantic takes them."""

    def refuse(word: str) -> None:
        raise Problem(HTTPStatus.BAD_REQUEST, "not-json", f"The body is not JSON: {word} is no value of it.")

    json.loads(content, parse_constant=refuse)


def _told(content: bytes, error: ValidationError) -> Problem:
    """Return why it is no record: not JSON at all, of another schema, or with fields that are wrong."""
    if error.errors(include_url=False)[0]["type"] == "json_invalid":
        return Problem(HTTPStatus.BAD_REQUEST, "not-json", f"The body is not JSON: {error.errors()[0]['msg']}.")
    data: Any = json.loads(content)
    if isinstance(data, dict):
        for name in ("schema", "schema_version"):
            if name in data and _major(data[name]) != _SUPPORTED:
                return _unknown_schema(name, data[name])
    return invalid(error, "The record")


def _major(written: Any) -> int | None:
    found = re.match(r"(\d{1,9})(?:\.|$)", str(written)) if not isinstance(written, bool) else None
    return int(found[1]) if found else None


def _unknown_schema(name: str, written: Any) -> Problem:
    said = f"{written!r:.40} is a schema that this server does not know; it knows {_SUPPORTED}"
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "unknown-schema",
        f"{said}. Upgrade the server, or send by the version of chaosctl that it has.",
        [FieldError(field=f"/{name}", message=said)],
    )


def _check(record: Record) -> None:
    if not _RUN.fullmatch(record.run):
        raise _unfit("/run", "should be 1 to 200 letters, digits, dots, colons, dashes and underscores")
    if not 0 <= record.started <= record.ended <= _LATEST:
        raise _unfit("/ended", "started and ended should be moments since 1970, in seconds, one after the other")
    for field, names in _names(record).items():
        if any(len(name) > _LONGEST for name in names):
            raise _unfit(field, f"should be {_LONGEST} characters at most")
    for number, series in enumerate(record.series):
        if max(map(abs, series.offsets), default=0.0) > _INTERVALS * series.interval:
            raise _unfit(f"/series/{number}/offsets", f"should be within {_INTERVALS:,} intervals")
    if record.kind == "junit":
        raise _unfit("/kind", "a JUnit report is imported as it is, at /api/v1/junit")


def _names(record: Record) -> dict[str, list[str]]:
    """Return what runs are found by, which an index has to take, by the fields they stand in."""
    return {
        "/promise/service": [record.promise.service],
        "/origin/environment": [record.origin.environment],
        "/experiment/hash": [record.experiment.hash],
        "/faults": [fault.name for fault in record.faults],
    }


def _check_texts(kept: Packed) -> None:
    """Refuse what a database cannot hold: the character NUL in a text that becomes a column."""
    for row in (kept.run_row, kept.record_row, *kept.result_rows):
        for name, value in row.items():
            if isinstance(value, str) and "\0" in value:
                raise _unfit(f"/{name}", "may not hold the character NUL")


def _unfit(field: str, message: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid",
        f"The record is not valid: {field}: {message}.",
        [FieldError(field=field, message=message)],
    )
