"""A machine reached by the system's own OpenSSH client, with all that ~/.ssh/config says of it."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from runner.errors import ChaosctlError, CommandFailed, Missing, Unreachable, UsageError, in_one_line
from runner.looking import Lookout
from runner.model import Command, Look, ProbeCall
from runner.targets import PACKAGES, Resolver
from runner.targets.local import may_not, resolver_from

__all__ = ["Ssh", "reach"]

_WRITTEN = re.compile(r"(?:[A-Za-z0-9_][\w.-]*@)?(?:[A-Za-z0-9_][\w.-]*|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")
_LOCK = "/run/chaosctl.lock"
_IDLE = 60
_SETTINGS = {
    "BatchMode": "yes",  # nobody is there to answer
    "StrictHostKeyChecking": "yes",  # a host that was never seen is not the one that was meant
    "UpdateHostKeys": "no",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ControlPersist": f"{_IDLE}",
    "ForwardAgent": "no",
    "ClearAllForwardings": "yes",
    "PermitLocalCommand": "no",
    "RequestTTY": "no",
}
_FAILED, _NOT_FOUND, _NOT_RUN = 255, 127, 126
_WHO = Command(("sh", "-c", "id -u && cat /proc/sys/kernel/random/boot_id && readlink /proc/self/ns/net"))


def reach(rest: str) -> "Ssh":
    """Return the machine of that name; raises UsageError for what ssh could take for an option."""
    if not _WRITTEN.fullmatch(rest):
        raise UsageError(f"'ssh:{rest}' is not a target.", "Write ssh:HOST, ssh:USER@HOST or ssh:USER@HOST:PORT.")
    return Ssh(rest)


class Ssh:
    """A machine behind ssh. Commands run there as root: by `sudo -n` where the user who logs in is another.

    One connection is opened and shared; it closes itself a minute after its last use.
    """

    def __init__(self, destination: str) -> None:
        self.name = f"ssh:{destination}"
        self._options = _options()
        self._client = [*self._options, "-o", "ControlMaster=no", f"ssh://{destination}"]
        self._destination = f"ssh://{destination}"
        self._lookout: Lookout | None = None
        self._prefix: tuple[str, ...] | None = None
        self._opening = threading.Lock()

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command there.

        Commands that hold a lock here take one there as well: after SIGKILL of everything here the command may still
        run, and the next one, such as an undo, waits for it. `timeout` ends it there too, a second later.
        """
        locked = ("flock", "--close", "--wait", "30", _LOCK) if pass_fds else ()
        return self._send((*self._as_root(), *locked), command, timeout, pass_fds)

    def socket(self, *_: object, **__: object) -> socket.socket:
        """Raise Missing: looks are made there instead."""
        raise Missing(
            f"No socket of this machine is in the network of {self.name}.",
            "Name a target of this machine, netns:NAME or local, or use what looks by commands.",
        )

    def look(self, call: ProbeCall, before: Look | None) -> Look:
        """Look from there, by its own Python."""
        with self._opening:
            if self._lookout is None:
                prefix = self._prefixed()
                self._lookout = Lookout(self.name, lambda argv: [*self._client, shlex.join((*prefix, *argv))])
        return self._lookout.look(call, before)

    def resolver(self) -> Resolver:
        """Return what /etc/resolv.conf there says."""
        return resolver_from(self.run(Command(("cat", "/etc/resolv.conf"))), f"{self.name}:/etc/resolv.conf")

    def identity(self) -> str:
        """Return boot id and network namespace: a reboot makes another machine of it, and so does another container."""
        _, boot, network = self._send((), _WHO, 15.0).split()
        return f"boot:{boot} {network}"

    def _as_root(self) -> tuple[str, ...]:
        with self._opening:
            return self._prefixed()

    def _prefixed(self) -> tuple[str, ...]:
        """Return what makes root of the user there; the first call opens the connection that the others share."""
        if self._prefix is None:
            if not shutil.which("ssh"):
                raise Missing("`ssh` is not installed here.", "On Debian: apt-get install openssh-client")
            user = self._send((), _WHO, 15.0, master=True).split()[0]
            self._prefix = () if user == "0" else ("sudo", "-n", "--")
        return self._prefix

    def _send(
        self,
        prefix: Sequence[str],
        command: Command,
        timeout: float,
        pass_fds: Sequence[int] = (),
        master: bool = False,
    ) -> str:
        bounded = *prefix, "env", "LC_ALL=C", "timeout", "--kill-after=1", f"{timeout + 1:g}", *command.argv
        # ssh closes what it inherits, so the descriptors stay open in a parent of its own that waits for it.
        holder = "timeout", "--foreground", "--kill-after=1", f"{timeout + 2:g}"
        client = [*self._options, "-o", "ControlMaster=auto", self._destination] if master else self._client
        try:
            done = subprocess.run(  # noqa: PLW1510 - the status is looked at below
                [*holder, *client, shlex.join(bounded)],
                input=command.stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                pass_fds=pass_fds,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(self.name, command.argv, f"no answer within {timeout:g} s", "") from error
        if done.returncode == 0:
            return done.stdout
        raise self._meaning(command.argv, done.returncode, done.stderr)

    def _meaning(self, argv: Sequence[str], status: int, stderr: str) -> ChaosctlError:
        """Return what a command's end comes to."""
        if status == _FAILED:
            return Unreachable(
                f"{self.name} could not be reached: {in_one_line(stderr)[-300:].rstrip('.') or 'ssh said nothing'}.",
                "See that `ssh` there works without a question being asked: its host key known, and a key or an agent.",
            )
        if status == _NOT_FOUND:
            package = PACKAGES.get(argv[0], argv[0])
            return Missing(
                f"`{argv[0]}` is not installed at {self.name}.",
                f"On Debian: apt-get install {package}",
            )
        if status == _NOT_RUN:
            return Missing(
                f"`{argv[0]}` could not be run at {self.name}: {stderr.strip().rpartition(': ')[2]}.",
                "See that root there may run it.",
            )
        if stderr.startswith("sudo: "):
            return Missing(
                f"Root at {self.name} cannot be had: {in_one_line(stderr)[-200:]}.",
                "Log in as root, or let the user there run sudo without a password (NOPASSWD).",
            )
        may_not(self.name, argv, stderr)
        return CommandFailed(self.name, argv, status, stderr)


def _options() -> list[str]:
    own = os.environ.get("CHAOSCTL_SSH_CONFIG")
    settings = [word for key, value in _SETTINGS.items() for word in ("-o", f"{key}={value}")]
    file = ["-F", own] if own else []
    return ["ssh", "-T", *file, *settings, "-o", f"ControlPath={_sockets()}/%C"]


def _sockets() -> Path:
    """Return a directory of this user's for connections: its path is short, because a socket's has to be."""
    base = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    place = base / f"chaosctl-{os.geteuid()}"
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid != os.geteuid():
        raise Missing(f"{place} is somebody else's.", "Connections are shared through it: see who made it.")
    return place
