"""Short commands of the lab; each inherits the lab's lock, so that it is waited for even when we are killed."""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.errors import CommandFailed, Missing

__all__ = ["ENVIRONMENT", "ask", "require_root", "require_tools", "run"]

# /usr/sbin is not on every root's PATH; a user's proxies, locale and Python settings are none of the lab's.
ENVIRONMENT = {"PATH": f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_PACKAGES = {
    "ip": "iproute2",
    "dnsmasq": "dnsmasq-base",
    "redis-server": "redis-server",
    "etcd": "etcd-server",
    "prometheus": "prometheus",
}


def require_root() -> None:
    """Raise Missing for anyone but root."""
    if os.geteuid():
        raise Missing(
            "The lab is made of network namespaces, and only root may make or remove them.",
            'Run it as root: sudo "$(command -v chaosctl)" lab ...',
        )


def require_tools() -> None:
    """Raise Missing, naming the packages, where something the lab is made of is not installed."""
    if missing := [package for tool, package in _PACKAGES.items() if not shutil.which(tool, path=ENVIRONMENT["PATH"])]:
        raise Missing(
            f"The lab needs Debian packages that are not installed: {', '.join(missing)}.",
            "In a checkout, lab/install-debian-packages installs them without starting their services; "
            f"plain: apt-get install {' '.join(missing)}",
        )
    if not Path("/etc/resolv.conf").exists():
        raise Missing(
            "This machine has no /etc/resolv.conf, over which each host of the lab lays its own.",
            "An empty one is enough: touch /etc/resolv.conf",
        )


def run(argv: Sequence[str], lock: int, stdin: str = "") -> str:
    """Run a short command and return what it printed; raises CommandFailed."""
    try:
        done = subprocess.run(  # noqa: PLW1510 - the status is looked at below
            argv, input=stdin, capture_output=True, text=True, timeout=30, pass_fds=[lock], env=ENVIRONMENT
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed("this machine", argv, "no answer within 30 s", "") from error
    if done.returncode:
        raise CommandFailed("this machine", argv, done.returncode, done.stderr)
    return done.stdout


def ask(argv: Sequence[str]) -> list[dict[str, Any]]:
    """Return what an `ip -j` command found; it changes nothing and needs no lock."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True, env=ENVIRONMENT)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found
