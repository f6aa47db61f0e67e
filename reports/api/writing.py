"""`POST /api/v1/runs`, one record or many, and `POST /api/v1/junit`."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy import Connection, select

from reports.api.answers import Answer, digest
from reports.api.envelope import EVENT, unwrapped
from reports.api.intake import packed
from reports.api.kinds import JSON, LINES, XML, kind_of, taken_kind
from reports.api.limits import AT_HAND, at_hand, body_of, check_size
from reports.api.problems import FieldError, Problem, ProblemBody
from reports.api.reading import printable
from reports.api.service import Service, Serving, Writer, Writes, writer_of
from reports.api.together import Known, Ready
from reports.inserting import Kept, insert_packed, insert_unjudged, same
from reports.junit import Source, imported
from reports.packing import Packed, Unjudged, pack
from reports.pending import settle
from reports.tables import records
from reports.tokens import Token, note
from runner.errors import ChaosctlError, UsageError
from runner.model import clock

__all__ = ["RUNS", "Taken", "TakenMany", "post_runs", "router"]

_XML = XML, "text/xml"
_RECORDS = JSON, EVENT, LINES
_PREFIX = "/api/v1"
RUNS = f"{_PREFIX}/runs"
router = APIRouter(prefix=_PREFIX, tags=["ingestion"])


class Taken(BaseModel):
    """What became of one record; verdict and score are those this server came to."""

    run: str
    address: str
    kept: Literal["stored", "present"]
    verdict: str
    score: float | None


class Refused(BaseModel):
    """One line of a bulk that was not taken, counted from 1, and why."""

    line: int
    problem: ProblemBody


class TakenMany(BaseModel):
    """What became of a bulk."""

    stored: int
    present: int
    refused: list[Refused]


async def _junit_body(request: Request, writer: Writes, service: Serving) -> bytes:
    return await _body(request, writer, partial(_most_junit, request, service))


async def _body(request: Request, writer: Writer, most: Callable[[], int]) -> bytes:
    """Read the body, after the token was accepted; one that is at hand anyway waits for that with the rest."""
    if at_hand(request):
        return await body_of(request, AT_HAND)
    await run_in_threadpool(writer.admitted)
    return await body_of(request, most())


def _record(request: Request, service: Service, sent: bytes) -> bytes:
    """Return what was sent, out of its envelope, once its kind and its size are those of something that is taken."""
    media_type = taken_kind(request, _RECORDS)
    check_size(sent, _most(service, media_type))
    return sent if media_type == LINES else unwrapped(sent, media_type, request.headers)


def _most(service: Service, media_type: str) -> int:
    """Return how large a body of this kind may be."""
    return service.settings.most_bulk if media_type == LINES else service.settings.most_record


def _most_junit(request: Request, service: Service) -> int:
    taken_kind(request, _XML)
    return service.settings.most_junit


_Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="The same key with the same body is answered as the first time for a day; with another body, 422.",
    ),
]


@router.post("/runs", status_code=201)
async def post_runs(request: Request) -> Response:
    """Take one record, or many as lines. Delivering one twice is one run; verdict and score are computed here."""
    writer = await writer_of(request)
    sent = await _body(request, writer, lambda: _most(writer.service, taken_kind(request, _RECORDS)))
    if kind_of(request) == LINES:
        return await run_in_threadpool(_take_lines, request, writer, sent)
    if "idempotency-key" in request.headers or not at_hand(request):
        return await run_in_threadpool(_take_alone, request, writer, sent)
    return await _take_together(request, writer, sent)


def _take_lines(request: Request, writer: Writer, sent: bytes) -> Response:
    token, service = writer.admitted(), writer.service
    content = _record(request, service, sent)
    ready = _lines(service, token, content)
    key, asked = _asked(request, content)
    answer = service.answers.once(token.id, key, asked, lambda found: ready.answer(found, token, writer.origin))
    if not service.background.add(ready.stored):
        with suppress(ChaosctlError):  # they are stored, whatever becomes of the store now
            settle(service.store, ready.stored)
    return _sent(answer)


def _take_alone(request: Request, writer: Writer, sent: bytes) -> Response:
    token, service = writer.admitted(), writer.service
    content = _record(request, service, sent)
    one = packed(content, token.project)
    key, asked = _asked(request, content)
    answer = service.answers.once(token.id, key, asked, lambda found: _take(found, one, token, writer.origin, "ingest"))
    service.background.busy()
    return _sent(answer, f"{RUNS}/{one.run}")


async def _take_together(request: Request, writer: Writer, sent: bytes) -> Response:
    service = writer.service

    def prepare(known: Known) -> Ready:
        token = writer.admitted(known)
        return Ready(packed(_record(request, service, sent), token.project), token, writer.origin)

    ready, kept = await service.together.put(prepare)
    service.background.busy()
    return _sent(_told(ready.one, kept), f"{RUNS}/{ready.one.run}")


def _asked(request: Request, content: bytes) -> tuple[str, str]:
    """Return the idempotency key, and what tells this request from others with the same one."""
    key = request.headers.get("idempotency-key", "")
    return key, digest(b"runs", kind_of(request).encode(), content) if key else ""


@router.post("/junit", status_code=201)
def post_junit(
    request: Request,
    service: Serving,
    writer: Writes,
    sent: Annotated[bytes, Depends(_junit_body)],
    service_name: Annotated[str, Query(alias="service", max_length=200)] = "",
    environment: Annotated[str, Query(max_length=200)] = "",
    key: _Key = "",
) -> Response:
    """Take a JUnit report as a run that is unverified and has no score; the same report twice is one run."""
    token = writer.admitted()
    check_size(sent, _most_junit(request, service))
    printable(service=service_name, environment=environment)
    source = Source(service_name, environment, f"token {token.id}", writer.origin, clock())
    try:
        one = pack(imported(sent, source), token.project)
    except UsageError as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-junit", str(error), [FieldError(field="/", message=error.message)]
        ) from error
    asked = digest(b"junit", service_name.encode(), environment.encode(), sent)
    answer = service.answers.once(token.id, key, asked, lambda found: _import(found, one, token, writer.origin))
    return _sent(answer, f"{RUNS}/{one.run}")


def _import(connection: Connection, one: Packed, token: Token, origin: str) -> Answer:
    """Take a report whose run is not there yet: without a time of its own, it has that of its first delivery."""
    present = connection.scalar(select(records.c.address).where(records.c.run == one.run))
    if present:
        return _answer(one, Kept.PRESENT, present)
    return _take(connection, one, token, origin, "import junit")


def _take(connection: Connection, one: Packed, token: Token, origin: str, action: str) -> Answer:
    kept = insert_packed(connection, [one])[one.run]
    answer = _told(one, kept)
    note(connection, token, origin, action, one.run, kept.value)
    return answer


def _told(one: Packed, kept: Kept) -> Answer:
    if kept is Kept.CONFLICT:
        raise _conflict(one.run)
    return _answer(one, kept, one.address)


def _answer(one: Packed, kept: Kept, address: str) -> Answer:
    status = HTTPStatus.CREATED if kept is Kept.STORED else HTTPStatus.OK
    told = {"run": one.run, "address": address, "kept": kept.value}
    told |= {name: one.record_row[name] for name in ("verdict", "score")}
    return Answer(status, json.dumps(told).encode())


def _conflict(run: str) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "other-record",
        f"Run {run} has another record here. A record is never replaced; this one was not stored.",
        [FieldError(field="/run", message="is the id of another record")],
    )


@dataclass(frozen=True)
class _Lines:
    """A bulk that was read: what can be stored, by line, what is refused already, and what was stored in the end."""

    good: dict[int, Unjudged]
    bad: dict[int, Problem]
    stored: list[str] = field(default_factory=list)

    def answer(self, connection: Connection, token: Token, origin: str) -> Answer:
        """Store what can be, all of it or, if the server dies, none; a line in conflict with another is refused."""
        first: dict[str, int] = {}
        for line, one in self.good.items():
            first.setdefault(one.run, line)
        kept = insert_unjudged(connection, [self.good[line] for line in first.values()])
        outcomes = {line: self._outcome(line, one, first[one.run], kept[one.run]) for line, one in self.good.items()}
        bad = self.bad | {
            line: _conflict(self.good[line].run) for line, found in outcomes.items() if found is Kept.CONFLICT
        }
        stored, present = (list(outcomes.values()).count(wanted) for wanted in (Kept.STORED, Kept.PRESENT))
        self.stored.extend(run for run, found in kept.items() if found is Kept.STORED)
        told = f"{stored} stored, {present} present, {len(bad)} refused"
        note(connection, token, origin, "ingest bulk", ",".join(self.stored), told)
        refused = [{"line": line, "problem": bad[line].body.model_dump()} for line in sorted(bad)]
        status = HTTPStatus.MULTI_STATUS if refused else HTTPStatus.OK
        return Answer(status, json.dumps({"stored": stored, "present": present, "refused": refused}).encode())

    def _outcome(self, line: int, one: Unjudged, first: int, kept: Kept) -> Kept:
        if line == first or kept is Kept.CONFLICT:
            return kept
        return same(one, self.good[first].address, self.good[first].body)


def _lines(service: Service, token: Token, content: bytes) -> _Lines:
    numbered = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if not numbered or len(numbered) > service.settings.most_lines:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "invalid",
            f"A bulk has 1 to {service.settings.most_lines:,} lines; this one has {len(numbered):,}.",
            [FieldError(field="/", message=f"has {len(numbered):,} lines")],
        )
    good: dict[int, Unjudged] = {}
    bad: dict[int, Problem] = {}
    for (number, _), found in zip(numbered, service.workers.held(numbered, token.project), strict=True):
        if isinstance(found, Problem):
            bad[number] = found
        else:
            good[number] = found
    return _Lines(good, bad)


def _sent(answer: Answer, location: str = "") -> Response:
    headers: dict[str, Any] = {"Location": location} if location else {}
    headers |= {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return Response(answer.body, answer.status, headers, media_type=JSON)
