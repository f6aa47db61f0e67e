"""Who and what started a run, where and with which versions."""

import getpass
import os
import platform
import re
import secrets
import socket
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from runner.config import Chosen
from runner.errors import Aborted, ChaosctlError, Inconclusive, InvalidFile, UsageError

__all__ = ["LABELS", "labels", "may_go_on", "origin", "owner", "problem", "run_id", "user"]

LABELS = "CHAOSCTL_LABELS"
"""The environment variable that says what runs there: `git=4f2a9c1,image.payment=payment:1.4.2`."""

_OWNER = re.compile(r"(?P<user>.+)@(?P<host>\S+) pid (?P<pid>\d+)")
_PARTS = "chaosctl", "chaostoolkit", "chaostoolkit-lib"


def run_id(name: str, started: float) -> str:
    """Return a run's id: it sorts by its start, says what ran, and is unique: 20261123-152428-network-dns-4f2a."""
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    moment = datetime.fromtimestamp(started, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{moment}-{word}-{secrets.token_hex(2)}"


def user() -> str:
    """Return who this is, and of root who called sudo; an arbitrary user id, as containers have, has no name."""
    if os.geteuid() == 0 and (caller := os.environ.get("SUDO_USER")):
        return caller
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def owner() -> str:
    """Return this process as ledger and locks name it."""
    return f"{user()}@{socket.gethostname()} pid {os.getpid()}"


def may_go_on(written: str) -> bool:
    """Return whether an owner is somebody else, whose process is there or on a host that cannot be seen from here."""
    found = _OWNER.fullmatch(written)
    if not found or (found["user"], found["host"]) == (user(), socket.gethostname()):
        return False
    return found["host"] != socket.gethostname() or Path("/proc", found["pid"]).exists()


def origin(how: str, chosen: Chosen | None) -> dict[str, Any]:
    """Return the origin of a run in the shape of reports.record.Origin; `how` is the command that started it."""
    return {
        "user": user(),
        "host": socket.gethostname(),
        "how": how,
        "environment": chosen.name if chosen else "",
        "environment_kind": chosen.environment.kind if chosen else "",
        "versions": {part: _version(part) for part in _PARTS}
        | {"python": platform.python_version(), "kernel": platform.release()},
        "labels": labels(os.environ.get(LABELS, "")),
    }


def labels(written: str) -> dict[str, str]:
    """Return `KEY=VALUE,KEY=VALUE` by key; raises UsageError for anything else."""
    found = {}
    for part in filter(None, (part.strip() for part in written.split(","))):
        key, equals, value = part.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise UsageError(
                f"{part!r} is not a label.", "Write KEY=VALUE, such as git=4f2a9c1 or image.api=api:1.4.2."
            )
        found[key.strip()] = value.strip()
    return found


def _version(part: str) -> str:
    try:
        return version(part)
    except PackageNotFoundError:
        return "not installed"


def problem(error: ChaosctlError | None) -> dict[str, Any] | None:
    """Return why something did not take its course, in the shape of reports.record.Problem."""
    if error is None:
        return None
    kinds = {Inconclusive.exit_code: "inconclusive", Aborted.exit_code: "aborted"}
    file, line = error.place if isinstance(error, InvalidFile) else ("", 0)
    return {"kind": kinds.get(error.exit_code, "error"), "message": str(error), "file": file, "line": line}
