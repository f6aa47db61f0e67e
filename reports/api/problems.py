"""What is wrong with a request, as RFC 9457 has it: one shape for every error, naming the fields at fault."""

import logging
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.errors import ChaosctlError, Unreachable

__all__ = ["MEDIA_TYPE", "FieldError", "Problem", "ProblemBody", "invalid", "problem_of", "response"]

MEDIA_TYPE = "application/problem+json"
_MOST = 20
_LOG = logging.getLogger(__name__)


class FieldError(BaseModel):
    """One field at fault: where it is in the request, as a JSON pointer or a parameter's name, and what is wrong."""

    field: str
    message: str


class ProblemBody(BaseModel):
    """An RFC 9457 problem."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)


class Problem(Exception):
    """A request that is answered with an error; `kind` names its type, `detail` says what to do."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, kind, detail, tuple(errors), headers)  # what another process makes it again from
        self.headers = dict(headers or {})
        self.body = ProblemBody(
            type=f"urn:chaosctl:problem:{kind}",
            title=status.phrase,
            status=status.value,
            detail=detail,
            errors=list(errors),
        )


def problem_of(error: Problem | ChaosctlError) -> Problem:
    """Return how an error of ours is answered; where the store is, and what it said, is for the log alone."""
    match error:
        case Problem():
            return error
        case Unreachable():
            told = "The store does not answer; nothing was stored. Send it again later: the same run is stored once."
            status, again = HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"}
            _log(error.message, _minute())
            return Problem(status, "store-away", told, headers=again)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "damaged", str(error))


@lru_cache(maxsize=32)
def _log(message: str, _minute: int) -> None:
    """Log it once a minute: while a store is away every request says the same."""
    _LOG.error("%s", message)


def _minute() -> int:
    return int(time.monotonic() // 60)


def response(problem: Problem) -> JSONResponse:
    """Return a problem as it is sent."""
    body: dict[str, Any] = problem.body.model_dump()
    return JSONResponse(body, problem.body.status, problem.headers, media_type=MEDIA_TYPE)


def invalid(error: ValidationError, what: str, prefix: str = "") -> Problem:
    """Return the problem of a document that is not what it should be, with the fields at fault."""
    found = [
        FieldError(field=prefix + _pointer(each["loc"]), message=each["msg"])
        for each in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST]
    ]
    first = found[0]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"{what} is not valid: {first.field}: {first.message}.", found
    )


def _pointer(location: Sequence[int | str]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location) or "/"
