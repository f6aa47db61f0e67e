"""CloudEvents 1.0 around a record, structured or binary; what is inside is a record like any other."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from reports.api.problems import FieldError, Problem

__all__ = ["EVENT", "EVENT_TYPE", "unwrapped"]

EVENT = "application/cloudevents+json"
EVENT_TYPE = "dev.chaosctl.run.finished.v1"
_REQUIRED = "specversion", "id", "source", "type"


def unwrapped(content: bytes, media_type: str, headers: Mapping[str, str]) -> bytes:
    """Return the record's JSON out of an event, or the content itself where it is no event; raises Problem."""
    if media_type == EVENT:
        event = _parsed(content)
        _check({name: event.get(name) for name in _REQUIRED}, "/")
        if not isinstance(event.get("data"), dict):
            raise _wrong("/data", "a record, as a JSON object; data_base64 is not taken")
        return json.dumps(event["data"], ensure_ascii=True, allow_nan=False).encode()
    if "ce-specversion" in headers:
        _check({name: headers.get(f"ce-{name}") for name in _REQUIRED}, "ce-")
    return content


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        event = json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "not-json", f"The event is not JSON: {error}.") from error
    if not isinstance(event, dict):
        raise _wrong("/", "an object")
    return event


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _check(attributes: Mapping[str, Any], prefix: str) -> None:
    for name, value in attributes.items():
        if not isinstance(value, str) or not value:
            raise _wrong(f"{prefix}{name}", "a text")
    if attributes["specversion"] != "1.0":
        raise _wrong(f"{prefix}specversion", "1.0")
    if attributes["type"] != EVENT_TYPE:
        raise _wrong(f"{prefix}type", EVENT_TYPE)


def _wrong(field: str, expected: str) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-event",
        f"The CloudEvent is not one this takes: {field} should be {expected}.",
        [FieldError(field=field, message=f"should be {expected}")],
    )
