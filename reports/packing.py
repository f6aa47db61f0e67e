"""A record made ready for the store: its bytes, its address and its rows; pure, so that other processes can do it."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from reports.history import RunSummary
from reports.record import Judgement, Record, Start
from reports.verdict import judge, judged, unjudgeable
from runner.errors import ChaosctlError, in_one_line

__all__ = [
    "Packed",
    "Unjudged",
    "evidence",
    "hold",
    "pack",
    "pack_held",
    "packed_size",
    "run_row",
    "unpack",
    "unpack_bytes",
]

_SUMMED = [field.name for field in fields(RunSummary) if field.name not in ("faults", "verdict")]
_LEVEL = 3
"""Within 5% of the smallest that zlib makes of a record, at a third of the time."""
_FASTEST = 1
"""For what is read again in a moment and then thrown away."""


@dataclass(frozen=True)
class Packed:
    """All that the store keeps of one record, by table."""

    run: str
    address: str
    body: bytes
    run_row: Mapping[str, Any]
    record_row: Mapping[str, Any]
    result_rows: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Unjudged:
    """A record that is valid and waits to be judged: its bytes as they came, compressed, and their SHA-256."""

    run: str
    address: str
    body: bytes
    run_row: Mapping[str, Any]


def hold(record: Record, content: bytes, project: str) -> Unjudged:
    """Return what the store keeps of a record until it is judged; `content` are the bytes it was read from."""
    return Unjudged(
        record.run, sha256(content).hexdigest(), zlib.compress(content, _FASTEST), _ended_row(record, project)
    )


def pack_held(run: str, address: str, body: bytes, project: str) -> Packed:
    """Return what the store keeps of a record that waited, judged whatever its sender says of it.

    One whose figures cannot be judged is an error, not a reason to lose it. Raises ChaosctlError as unpack() does.
    """
    record = unpack(run, address, body)
    try:
        judgement = judge(record)
    except (ArithmeticError, LookupError, ValueError) as error:
        judgement = unjudgeable(error)
    return pack(record.model_copy(update={"judgement": judgement}), project)


def pack(record: Record, project: str = "") -> Packed:
    """Return what the store keeps of a record, which is judged first where it was not."""
    whole = judged(record)
    judgement = whole.judgement
    assert judgement is not None  # noqa: S101 - judged() fills it in
    content = whole.canonical()
    address = sha256(content).hexdigest()
    return Packed(
        run=whole.run,
        address=address,
        body=zlib.compress(content, _LEVEL),
        run_row=_ended_row(whole, project),
        record_row=_record_row(whole, judgement) | {"address": address},
        result_rows=tuple(_result_rows(whole, judgement, project)),
    )


def packed_size(content: bytes) -> int:
    """Return how many bytes the store keeps of a record's canonical JSON."""
    return len(zlib.compress(content, _LEVEL))


def unpack_bytes(run: str, address: str, body: bytes) -> bytes:
    """Return a record's canonical bytes as they were stored; raises ChaosctlError where they are not those any more."""
    try:
        content = zlib.decompress(body)
    except zlib.error as error:
        raise _unreadable(run, error) from error
    if sha256(content).hexdigest() != address:
        raise ChaosctlError(
            f"The record of run {run} is not the one that was stored: it does not match {address[:12]}.",
            "Do not trust it. Restore the store from a backup; or take all that is whole to another store: "
            "chaosctl report copy --to URL.",
        )
    return content


def unpack(run: str, address: str, body: bytes) -> Record:
    """Return a record from the store; raises ChaosctlError where it is damaged or another version wrote it."""
    content = unpack_bytes(run, address, body)
    try:
        return Record.model_validate_json(content)
    except ValidationError as error:
        raise _unreadable(run, error) from error


def evidence(record: Record) -> bytes:
    """Return what a record says but for its judgement, which follows from the rest."""
    return record.model_copy(update={"judgement": None}).canonical()


def run_row(start: Start) -> dict[str, Any]:
    """Return the row that says that a run has begun."""
    return {
        "run": start.run,
        "title": start.experiment.title,
        "path": start.experiment.path,
        "experiment_hash": start.experiment.hash,
        "environment": start.origin.environment,
        "user": start.origin.user,
        "host": start.origin.host,
        "started": start.started,
    }


def _ended_row(record: Record, project: str) -> dict[str, Any]:
    begun = Start(run=record.run, experiment=record.experiment, origin=record.origin, started=record.started)
    return run_row(begun) | {"ended": record.ended, "project": project, "service": record.promise.service}


def _record_row(record: Record, judgement: Judgement) -> dict[str, Any]:
    return {
        "run": record.run,
        "kind": record.kind,
        "service": record.promise.service,
        "verdict": judgement.verdict.value,
        "exit_code": judgement.exit_code,
        "score": judgement.score,
        "formula": judgement.formula,
    }


def _result_rows(record: Record, judgement: Judgement, project: str) -> list[dict[str, Any]]:
    summary = RunSummary.of(record.model_copy(update={"judgement": judgement}))
    row = {name: getattr(summary, name) for name in _SUMMED}
    row |= {"verdict": summary.verdict.value, "valid": summary.valid, "project": project}
    row |= {"absorbed": judgement.absorbed, "recovered": judgement.recovered}
    return [row | {"fault": name} for name in summary.faults]


def _unreadable(run: str, error: Exception) -> ChaosctlError:
    return ChaosctlError(
        f"The record of run {run} cannot be read by this version of chaosctl: {in_one_line(str(error)).rstrip('.')}.",
        "Read it with the version that wrote it, or restore the store from a backup.",
    )
