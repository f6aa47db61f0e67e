"""What runner and agent say to each other: one JSON document a line, with looks and errors as data. Pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from runner import errors
from runner.errors import ChaosctlError, CommandFailed
from runner.model import Look, Sight

__all__ = ["encode", "error_from", "error_to", "look_from", "look_to"]


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def look_to(look: Look | None, ahead: float = 0.0) -> dict[str, Any] | None:
    """Return a look as data, its times as on a clock that is that many seconds ahead of ours."""
    if look is None:
        return None
    return {**asdict(look), "asked": look.asked + ahead, "answered": look.answered + ahead}


def look_from(data: Mapping[str, Any] | None, ahead: float = 0.0) -> Look | None:
    """Return a look from data, its times brought back by how many seconds the other clock is ahead of ours."""
    if data is None:
        return None
    moments = {name: data[name] - ahead for name in ("asked", "answered")}
    return Look(**{**data, **moments, "sight": Sight(data["sight"])})


def error_to(error: ChaosctlError) -> dict[str, Any]:
    """Return an error as data, so that it can be raised again elsewhere."""
    data: dict[str, Any] = {"kind": type(error).__name__, "message": error.message, "fix": error.fix}
    if isinstance(error, CommandFailed):
        data |= {"target": error.target, "argv": error.argv, "status": error.status, "stderr": error.stderr}
    return data


def error_from(data: Mapping[str, Any]) -> ChaosctlError:
    """Return the error that became this data; a kind that is not known here is a plain one."""
    if data["kind"] == CommandFailed.__name__:
        return CommandFailed(data["target"], data["argv"], data["status"], data["stderr"])
    kind = getattr(errors, data["kind"], ChaosctlError)
    error: ChaosctlError = kind(data["message"], data["fix"])
    return error
