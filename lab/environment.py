"""The environment file by which chaosctl's commands find a lab."""

from typing import Any

import yaml

from lab.kinds import kind
from lab.lock import make_directory
from lab.plan import Lab
from runner.config import config_files, read
from runner.errors import UsageError
from runner.model import format_duration

__all__ = ["refuse_defined", "remove", "write"]

_HEADER = "# Written by `chaosctl lab up`, removed by `chaosctl lab down`; edits are lost.\n"


def refuse_defined(lab: Lab) -> None:
    """Raise UsageError where another file defines an environment of the lab's name already."""
    for path in config_files():
        ours = path == lab.environment and _is_ours(lab)
        if not ours and (path == lab.environment or lab.name in read(path).environments):
            raise UsageError(
                f"Lab {lab.name!r} was not started: {path} defines an environment of that name.",
                "Give the lab another name: chaosctl lab up --name lab2.",
            )


def write(lab: Lab) -> None:
    """Write the file in one step, so that no reader meets half of it."""
    document = {"default": lab.name, "environments": {lab.name: _environment(lab)}}
    make_directory(lab.environment.parent)
    draft = lab.environment.with_suffix(".draft")
    draft.write_text(_HEADER + yaml.safe_dump(document, sort_keys=False))
    draft.replace(lab.environment)


def remove(lab: Lab) -> None:
    """Remove the file, if it is one of ours, and a draft of it."""
    lab.environment.with_suffix(".draft").unlink(missing_ok=True)
    if _is_ours(lab):
        lab.environment.unlink()


def _is_ours(lab: Lab) -> bool:
    return lab.environment.exists() and lab.environment.read_text().startswith(_HEADER)


def _environment(lab: Lab) -> dict[str, Any]:
    duration = format_duration(lab.duration)
    told = kind(lab).environment(lab)
    variables = {"window": format_duration(lab.window), "duration": duration, **told.get("variables", {})}
    return {"kind": "lab", **told, "duration": duration, "variables": variables}
