"""One file per thing observed."""

from typing import Any

__all__ = ["discover"]


def discover(discover_system: bool = True) -> Any:
    """Return the probes here, for `chaos discover probes --no-install`."""
    from runner.discovery import discover as found  # noqa: PLC0415 - Chaos Toolkit is not needed to probe

    return found("probes", "probe", discover_system)
