"""Of which kinds bodies are: what their requests say, and whether that is taken."""

from collections.abc import Sequence
from http import HTTPStatus

from starlette.requests import Request

from reports.api.problems import FieldError, Problem

__all__ = ["JSON", "LINES", "XML", "kind_of", "taken_kind"]

JSON, LINES, XML = "application/json", "application/x-ndjson", "application/xml"


def kind_of(request: Request) -> str:
    """Return the media type that a request says its body has."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def taken_kind(request: Request, known: Sequence[str]) -> str:
    """Return that; raises Problem 415 where it is none of those known, or the body is compressed."""
    found = kind_of(request)
    if found not in known:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "unsupported-media-type",
            f"{found or 'A body without a Content-Type'} is not taken here. Send {' or '.join(known)}.",
            [FieldError(field="Content-Type", message=f"should be {' or '.join(known)}")],
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _encoded(request.headers["content-encoding"])
    return found


def _encoded(written: str) -> Problem:
    return Problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        "unsupported-encoding",
        f"A body in the encoding {written!r:.40} is not taken here. Send it as it is, without Content-Encoding.",
        [FieldError(field="Content-Encoding", message="should be left out, or identity")],
        {"Accept-Encoding": "identity"},
    )
