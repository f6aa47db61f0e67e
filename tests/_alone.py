"""Looking at some namespaces only, so that undoing everything undoes nothing of others who test on this machine."""

from pathlib import Path

import pytest

from runner import residue
from runner.targets.netns import Netns

_SCRIPT = """
set -e
mount --rbind /run/netns "$1"; mount -t tmpfs tmpfs /run/netns
for name in $2; do touch "/run/netns/$name"; mount --bind "$1/$name" "/run/netns/$name"; done
shift 2
exec "$@"
"""


def seeing(directory: Path, *namespaces: Netns) -> list[str]:
    """Return what to put before a command that shall find only these namespaces; `directory` is empty, for its use."""
    names = " ".join(at.namespace for at in namespaces)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT, "sh", str(directory), names]


def see(patch: pytest.MonkeyPatch, directory: Path, *namespaces: Netns) -> None:
    """Let this process find only these namespaces."""
    seen = directory / "netns"
    seen.mkdir()
    for at in namespaces:
        (seen / at.namespace).touch()
    patch.setattr(residue, "_NAMESPACES", seen)
