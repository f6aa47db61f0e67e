"""Where chaosctl keeps what it must remember."""

import os
from pathlib import Path

__all__ = ["cache_dir", "run_dir", "state_dir"]


def state_dir() -> Path:
    """Return the directory for ledger, store, spool and lab; it may not exist yet.

    $XDG_STATE_HOME/chaosctl where that is set, /var/lib/chaosctl for root (`sudo` changes HOME, so a home
    directory would lose what another shell wrote), else ~/.local/state/chaosctl.
    """
    if base := os.environ.get("XDG_STATE_HOME"):
        return Path(base) / "chaosctl"
    if os.geteuid() == 0:
        return Path("/var/lib/chaosctl")
    return Path.home() / ".local" / "state" / "chaosctl"


def cache_dir() -> Path:
    """Return the directory for what can be made again; it may not exist yet.

    $XDG_CACHE_HOME/chaosctl where that is set, /var/cache/chaosctl for root, else ~/.cache/chaosctl.
    """
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "chaosctl"
    if os.geteuid() == 0:
        return Path("/var/cache/chaosctl")
    return Path.home() / ".cache" / "chaosctl"


def run_dir() -> Path:
    """Return the directory in which guardians note their faults at a target: $CHAOSCTL_RUN, else /run/chaosctl."""
    return Path(os.environ.get("CHAOSCTL_RUN") or "/run/chaosctl")
