"""Control groups of the lab's machines: found by their names, and removed when their processes have ended."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lab.processes import Identity, namespaces

__all__ = ["name", "present", "remove"]

_GROUPS = Path("/sys/fs/cgroup")
_PATIENCE = 3.0


def name(space: str) -> str:
    """Return the name of the group of the machine that this namespace is.

    Control groups are seen from everywhere, and labs elsewhere may have machines of the same names: the number of the
    namespace keeps them apart.
    """
    return _name(space, namespaces([space])[space])


def present(found: Mapping[str, Identity]) -> list[Path]:
    """Return the groups that there are of these namespaces' machines, in every hierarchy."""
    wanted = [_name(space, identity) for space, identity in found.items()]
    places = [_GROUPS, *(path for path in _GROUPS.iterdir() if path.is_dir())] if _GROUPS.is_dir() else []
    return [place / own for place in places for own in wanted if (place / own).is_dir()]


def remove(found: Mapping[str, Identity]) -> None:
    """Remove them with all groups in them; what still has a process after three seconds stays."""
    deadline = time.monotonic() + _PATIENCE
    while (left := present(found)) and time.monotonic() < deadline:
        for group in left:
            for at, _, _ in os.walk(group, topdown=False):
                with suppress(OSError):
                    Path(at).rmdir()
        time.sleep(0.02)


def _name(space: str, identity: Identity) -> str:
    return f"{space}-{identity[1]}"
