"""How targets are reached: one file per way, behind one protocol.

A target is written `scheme` or `scheme:rest`; the scheme is the name of the file here that reaches it.
"""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, runtime_checkable

from runner.errors import UsageError
from runner.model import Command, Look, ProbeCall

__all__ = ["PACKAGES", "Known", "Looking", "Resolver", "Served", "Target", "is_same", "reach", "schemes"]

PACKAGES = {
    "ps": "procps",
    "findmnt": "util-linux",
    "flock": "util-linux",
    "nft": "nftables",
    "tc": "iproute2",
    "ip": "iproute2",
    "unshare": "util-linux",
}
"""The Debian package of each tool that is not called like it."""


@dataclass(frozen=True)
class Resolver:
    """What the stub resolver at a target does: its resolv.conf, read where the target's own one is."""

    source: str
    nameservers: tuple[str, ...]
    search: tuple[str, ...]


@runtime_checkable
class Target(Protocol):
    """Something that faults act on and probes look from."""

    name: str

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command there and return what it printed; raises CommandFailed, Missing or Unreachable.

        `timeout` is in seconds; `pass_fds` stay open in the command, so that a lock outlives this process.
        """

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """Return a socket that lives in the target's network; raw ones need their protocol, and CAP_NET_RAW.

        Raises Missing where no socket of this machine can; such a target is `Looking`.
        """

    def resolver(self) -> Resolver:
        """Return the target's own resolver configuration."""

    def identity(self) -> str:
        """Return what tells this target from a later one of the same name.

        Raises Gone where it is no more, and Unreachable where it does not answer.
        """


@runtime_checkable
class Looking(Protocol):
    """A target that probes cannot look from by sockets of this machine: they are run there."""

    def look(self, call: ProbeCall, before: Look | None) -> Look:
        """Return what a probe sees from within the target, as `runner.looking.look` does."""


@runtime_checkable
class Known(Protocol):
    """A target that a cluster's API server tells from all others, without anybody of ours being there."""

    def known(self) -> str:
        """Return its identity by the API alone, the last word of its full one; raises Gone where it is no more."""

    def remembered(self) -> str:
        """Return the same as it was when the target was first seen; raises Gone where it is none."""


@runtime_checkable
class Marked(Protocol):
    """A target that each new way into it marks for good: nobody enters it only to look."""

    def entered(self) -> bool:
        """Return whether a way into it is open, so that a look leaves no further mark."""

    def stands(self, identity: str) -> bool:
        """Return whether it is still the one of that identity, as far as can be told without entering it."""


@runtime_checkable
class Served(Protocol):
    """A target whose own network carries what we ask of it, to a server there."""

    def way_in(self) -> int:
        """Return the TCP port of that server: a fault that took it would take our looks and the undo as well."""


def is_same(at: Target, identity: str) -> bool:
    """Return whether a target is the one of that identity, full or by the API alone; raises what `identity` does."""
    if isinstance(at, Known):
        *more, known = identity.split()
        if not more:
            return at.known() == identity
        if at.remembered() != known:
            return False  # another, which need not be entered to know it
    return at.identity() == identity


def schemes() -> tuple[str, ...]:
    """Return the known ways to reach a target."""
    return tuple(sorted(found.name for found in iter_modules(__path__)))


def reach(written: str) -> Target:
    """Return the target that is written so, such as `local` or `netns:payment-api`; raises UsageError."""
    scheme, _, rest = written.partition(":")
    if scheme not in schemes():
        raise UsageError(
            f"{written!r} is not a target: {scheme!r} is no way to reach one.",
            f"Known ways: {', '.join(schemes())}; for a network namespace write netns:NAME.",
        )
    target: Target = import_module(f"{__name__}.{scheme}").reach(rest)
    return target
