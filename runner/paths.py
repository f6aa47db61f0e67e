"""Where chaosctl keeps what it must remember."""

import os
from pathlib import Path

__all__ = ["state_dir"]


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
