"""systemd as the first process of a PID namespace, for guardians that are units: in the guest alone.

It knows a few empty units and none of the machine's, so that it starts nothing but what it is asked for.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests._service import wait_for

_UNITS = "sysinit.target", "basic.target", "shutdown.target", "ct.target"
_START = """
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system
umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /lib/systemd/systemd --system --unit=ct.target --show-status=0
"""


@dataclass(frozen=True)
class Machine:
    """What systemd looks after; `pid` is its number outside."""

    pid: int

    def inside(self, *argv: str) -> list[str]:
        """Return what runs a command there."""
        return ["nsenter", f"--target={self.pid}", "--pid", "--mount", "--cgroup", *argv]

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a command there, and return what it printed."""
        done = subprocess.run(self.inside(*argv), capture_output=True, text=True, check=check, timeout=60)
        return done.stdout.strip()


@contextmanager
def systemd(place: Path) -> Iterator[Machine]:
    """Start it, and end it with all that it has started."""
    units = place / "units"
    units.mkdir()
    for unit in _UNITS:
        (units / unit).write_text("[Unit]\nDefaultDependencies=no\n")
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": str(units), "container": "chaosctl"}
    apart = ["--fork", "--pid", "--mount", "--uts", "--cgroup", "--propagation=private", "--kill-child"]
    with subprocess.Popen(["unshare", *apart, "sh", "-e", "-c", _START], env=environment) as outside:
        children = Path(f"/proc/{outside.pid}/task/{outside.pid}/children")
        try:
            wait_for(lambda: children.read_text().strip(), "systemd was not started")
            machine = Machine(int(children.read_text()))
            wait_for(lambda: machine.run("systemctl", "is-active", "ct.target", check=False) == "active", "not up")
            yield machine
        finally:
            outside.kill()
