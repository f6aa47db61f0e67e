"""What is read back: runs, their records, series and roll-ups, by pages with cursors and with ETags."""

import base64
import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Header, Path, Query, Response

from reports.api.problems import FieldError, Problem
from reports.api.service import Reads, Service, Serving
from reports.store import Row
from reports.tokens import Token
from runner.errors import UsageError

__all__ = ["After", "IfNoneMatch", "Limit", "answered", "cursor", "cursor_of", "printable", "router", "visible"]

_JSON = "application/json"
router = APIRouter(prefix="/api/v1", tags=["runs"])

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
After = Annotated[str, Query(alias="cursor", max_length=400, description="Where the page before ended: its `next`.")]
IfNoneMatch = Annotated[
    str, Header(alias="If-None-Match", description="The ETag of what is known already; 304 where it still holds.")
]
Run = Annotated[str, Path(min_length=1, max_length=300)]


@router.get("/runs")
def get_runs(  # noqa: PLR0913, PLR0917 - each is a parameter of the request
    service: Serving,
    token: Reads,
    of: Annotated[str, Query(alias="service", max_length=200)] = "",
    verdict: Literal["", "pass", "fail", "inconclusive", "error", "aborted"] = "",
    experiment: Annotated[str, Query(max_length=300, description="Part of a title, a path, or of a hash.")] = "",
    limit: Limit = 50,
    after: After = "",
    known: IfNoneMatch = "",
) -> Response:
    """Runs, the latest first, those that never ended too."""
    printable(service=of, experiment=experiment)
    place = cursor_of(after, (float, str))
    rows = service.store.rows(
        limit + 1, of, verdict, experiment, visible(token), (place[0], place[1]) if place else None
    )
    page = rows[:limit]
    following = cursor(page[-1].started, page[-1].run) if len(rows) > limit else None
    return answered({"runs": [vars(row) for row in page], "next": following}, known)


@router.get("/runs/{run}")
def get_run(run: Run, service: Serving, token: Reads, known: IfNoneMatch = "") -> Response:
    """The record of a run, byte for byte as it is stored; its ETag is its address."""
    row = _row(service, token, run)
    if row.address and _matches(known, f'"{row.address}"'):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": f'"{row.address}"'})
    return Response(_content(service, run), headers={"ETag": f'"{row.address}"'}, media_type=_JSON)


@router.get("/runs/{run}/series")
def get_series(
    run: Run,
    service: Serving,
    token: Reads,
    limit: Limit = 50,
    after: After = "",
    known: IfNoneMatch = "",
) -> Response:
    """The steady-state series of a run, in the order the experiment names its probes."""
    _row(service, token, run)
    place = cursor_of(after, (int,))
    first = place[0] if place else 0
    series = json.loads(_content(service, run))["series"]
    following = cursor(first + limit) if len(series) > first + limit else None
    return answered({"series": series[first : first + limit], "next": following}, known)


@router.get("/runs/{run}/rollup")
def get_rollup(run: Run, service: Serving, token: Reads, known: IfNoneMatch = "") -> Response:
    """What is kept of a run whose samples were pruned: its record with each series summed up."""
    _row(service, token, run)
    try:
        return answered(json.loads(service.store.rollup(run)), known)
    except UsageError as error:
        raise Problem(HTTPStatus.NOT_FOUND, "no-rollup", str(error)) from error


def answered(data: Mapping[str, Any] | orjson.Fragment, known: str) -> Response:
    """Return data as JSON with an ETag over it, or 304 where that is known."""
    body = orjson.dumps(data)
    tag = f'W/"{sha256(body).hexdigest()[:32]}"'
    if _matches(known, tag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
    return Response(body, headers={"ETag": tag}, media_type=_JSON)


def cursor(*place: float | str) -> str:
    """Return a place in a list as an opaque text."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def cursor_of(written: str, kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Return the place that a cursor names, nothing for none; raises Problem for a text that was never one."""
    if not written:
        return ()
    try:
        found = json.loads(base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _no_cursor() from error
    right = isinstance(found, list) and len(found) == len(kinds)
    if not right or not all(type(value) is kind for value, kind in zip(found, kinds, strict=True)):
        raise _no_cursor()
    if any(isinstance(value, int) and not 0 <= value < 1 << 31 for value in found) or "\0" in str(found[-1]):
        raise _no_cursor()
    return tuple(found)


def visible(token: Token | None) -> str | None:
    """Return the project to which reading is limited, None where it is not."""
    return token.visible if token else None


def _no_cursor() -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid",
        "cursor is none that this server gave. Leave it out to begin at the first page.",
        [FieldError(field="cursor", message="is none that this server gave")],
    )


def printable(**texts: str) -> None:
    """Refuse what no name holds, and no database takes; raises Problem."""
    for name, value in texts.items():
        if not value.isprintable():
            raise Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "invalid",
                f"{name} holds characters that cannot be shown.",
                [FieldError(field=name, message="should be printable")],
            )


def _matches(known: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110 has it for If-None-Match."""
    return known.strip() == "*" or tag.removeprefix("W/") in (
        each.strip().removeprefix("W/") for each in known.split(",")
    )


def _row(service: Service, token: Token | None, run: str) -> Row:
    """Return the row of a run that this token may see; of another project's run it learns nothing."""
    row = None if not run.isprintable() else service.store.row(run)
    if row is None or visible(token) not in (None, row.project):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-run",
            "There is no such run, or this token may not see it. GET /api/v1/runs lists those there are.",
            [FieldError(field="run", message="is not known")],
        )
    if row.address is None:
        raise Problem(HTTPStatus.NOT_FOUND, "never-ended", "The run was started and never ended: it has no record.")
    return row


def _content(service: Service, run: str) -> bytes:
    try:
        return service.store.content(run)
    except UsageError as error:
        raise Problem(HTTPStatus.GONE, "pruned", f"{error} GET /api/v1/runs/{run}/rollup may have it.") from error
