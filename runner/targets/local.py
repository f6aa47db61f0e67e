"""This machine itself, in the network namespace chaosctl runs in."""

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runner.errors import CommandFailed, Missing, Unreachable, UsageError, in_one_line
from runner.model import Command
from runner.targets import PACKAGES, Resolver

__all__ = ["Local", "execute", "may_not", "parse_resolv_conf", "reach", "resolver_from"]

_PRIVILEGE = "Operation not permitted", "Permission denied"


def reach(rest: str) -> "Local":
    """Return this machine; `local` takes nothing after it."""
    if rest:
        raise UsageError(f"'local:{rest}' is not a target.", "Write `local` alone.")
    return Local()


class Local:
    """This machine."""

    name = "local"

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command on this machine."""
        return execute(self.name, command, timeout, pass_fds)

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """Return an ordinary socket."""
        return socket.socket(family, kind, protocol)

    def resolver(self) -> Resolver:
        """Return what /etc/resolv.conf says."""
        return parse_resolv_conf(Path("/etc/resolv.conf"))

    def identity(self) -> str:
        """Return the boot id: a reboot makes another machine of it."""
        return f"boot:{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"


def execute(target: str, command: Command, timeout: float, pass_fds: Sequence[int] = ()) -> str:
    """Run a command from the calling thread, in its namespaces, and return what it printed."""
    argv = list(command.argv)
    try:
        done = subprocess.run(  # noqa: PLW1510 - the status is looked at below
            argv,
            input=command.stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            pass_fds=pass_fds,
        )
    except FileNotFoundError as error:
        raise Missing(
            f"`{argv[0]}` is not installed at {target}.",
            f"On Debian: apt-get install {PACKAGES.get(argv[0], argv[0])}",
        ) from error
    except OSError as error:
        raise Missing(
            f"`{argv[0]}` could not be run at {target}: {error.strerror}.",
            "See that this user may run it, and that the machine has processes, memory and open files to spare.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(target, argv, f"no answer within {timeout:g} s", "") from error
    if done.returncode == 0:
        return done.stdout
    may_not(target, argv, done.stderr)
    raise CommandFailed(target, argv, done.returncode, done.stderr)


def may_not(target: str, argv: Sequence[str], stderr: str) -> None:
    """Raise Missing where a command's error text says that a privilege is."""
    if any(sign in stderr for sign in _PRIVILEGE):
        raise Missing(
            f"`{' '.join(argv)}` at {target} was not permitted: {in_one_line(stderr)[-200:]}.",
            "Run it as root (sudo), or with CAP_NET_ADMIN and CAP_SYS_ADMIN.",
        )


def parse_resolv_conf(path: Path) -> Resolver:
    """Return what a resolv.conf says; raises Unreachable where it cannot be read or names no server."""
    try:
        text = path.read_text()
    except OSError as error:
        raise Unreachable(f"{path} cannot be read: {error.strerror}.") from error
    return resolver_from(text, str(path))


def resolver_from(text: str, source: str) -> Resolver:
    """Return what the text of a resolv.conf says; raises Unreachable where it names no server."""
    lines = [line.split() for line in text.splitlines()]
    servers = tuple(words[1].partition("%")[0] for words in lines if words[:1] == ["nameserver"] and words[1:])
    search = [tuple(words[1:]) for words in lines if words and words[0] in ("search", "domain")]
    if not servers:
        raise Unreachable(f"{source} names no nameserver.", "Names there resolve without DNS; nothing to fault.")
    return Resolver(source, servers[:3], tuple(name.rstrip(".") for name in search[-1]) if search else ())
