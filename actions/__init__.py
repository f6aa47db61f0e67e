"""One file per fault, named as on the command line."""

from typing import Any

__all__ = ["discover"]


def discover(discover_system: bool = True) -> Any:
    """Return the actions here, for `chaos discover actions --no-install`."""
    from runner.discovery import discover as found  # noqa: PLC0415 - Chaos Toolkit is not needed to inject

    return found("actions", "action", discover_system)
