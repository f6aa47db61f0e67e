"""The network of another process of this machine, found by the pod it belongs to: a target for the agent on a node."""

import os
import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from runner.errors import Missing, NoProcess, Residue
from runner.model import Command, clock
from runner.targets import Resolver, Target
from runner.targets.local import Local, execute, parse_resolv_conf
from runner.targets.netns import Netns, cookie

__all__ = ["Node", "PodNetwork", "alone"]

_PROC = Path("/proc")
_LIMIT = 30.0
_PAUSE = 0.02


class PodNetwork(Netns):
    """The network namespace of a pod on this node, entered through any of its processes."""

    def __init__(self, name: str, uid: str) -> None:
        super().__init__(f"pod-{uid}")
        self.name = name
        self.uid = uid

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command with the network of the pod and the files of this process."""
        return self._inside(lambda: execute(self.name, command, timeout, pass_fds))

    def resolver(self) -> Resolver:
        """Return what the kubelet wrote into the pod's /etc/resolv.conf."""
        return parse_resolv_conf(_PROC / str(self._process()) / "root/etc/resolv.conf")

    def identity(self) -> str:
        """Return boot id, namespace cookie and the pod's UID; raises NoProcess where it does not run here."""
        return f"{super().identity()} pod:{self.uid}"

    def _open(self) -> int:
        process = self._process()
        try:
            return os.open(_PROC / str(process) / "ns/net", os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise Missing(
                f"The network of {self.name} may not be opened by the node pod.",
                "It must be privileged: see what admission made of it (Pod Security, other policies).",
            ) from error
        except OSError as error:
            raise NoProcess(f"{self.name} ended while it was looked at.") from error

    def _process(self) -> int:
        """Return a process of the pod: the one known before, where it still is one, else the first found."""
        if (known := self._known()) is not None:
            return known
        with _LOOKING:  # of many that ask at once the first looks for all
            if (known := self._known()) is None:
                _KNOWN.update(_processes())
                known = self._known()
        if known is None:
            raise NoProcess(
                f"No process of {self.name} runs on this node.",
                "It ended, or none of its containers has started: `kubectl get pod` says.",
            )
        return known

    def _known(self) -> int | None:
        known = _KNOWN.get(self.uid)
        return known if known is not None and self.uid in _pods_of(known) else None


class Node(Local):
    """The node itself, in the network the agent runs in."""

    def __init__(self, name: str) -> None:
        self.name = name

    def identity(self) -> str:
        """Return boot id and the cookie of the network: nodes of a lab may share a kernel."""
        with self.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inside:
            return f"{super().identity()} netns:{cookie(inside)}"


_KNOWN: dict[str, int] = {}
_LOOKING = threading.Lock()
_MOUNTED = re.compile(r"pods/([^/\s]+)/\S+ (?:/etc/hosts|/dev/termination-log) ")


def _processes() -> dict[str, int]:
    """Return a process of each pod on this node; of those with the same mounts one is looked at."""
    found: dict[str, int] = {}
    seen = set()
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                mounts = (entry / "ns/mnt").readlink()
                if mounts not in seen:
                    found |= dict.fromkeys(_pods_of(int(entry.name)), int(entry.name))
                seen.add(mounts)
    return found


def _pods_of(process: int) -> list[str]:
    """Return the UID of the pod that a process is in a container of; none where it is in no container.

    The kubelet mounts files from the pod's own folder into each container; in the mount table of any process outside
    the same folder is a place to mount at, never what is mounted at /etc/hosts.
    """
    try:
        mounts = (_PROC / str(process) / "mountinfo").read_text(errors="replace")
    except OSError:
        return []
    return _MOUNTED.findall(mounts)


@contextmanager
def alone(at: Target) -> Iterator[int]:
    """Hold a target for one command that changes it, waiting for whoever does; yields a descriptor for that command.

    An address in the node's network can be had once, by whatever pod asks, and is free again when the last process
    that inherited it has ended: a command of a killed runner keeps it. Raises Residue after half a minute.
    """
    key = f"\0chaosctl-{at.uid}" if isinstance(at, PodNetwork) else "\0chaosctl-node"
    limit = clock() + _LIMIT
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        while True:
            try:
                held.bind(key)
                break
            except OSError as error:
                if clock() > limit:
                    raise Residue(
                        f"{at.name} could not be changed: another command of chaosctl has been at work there for "
                        f"{_LIMIT:g} s.",
                        "See what it waits for on that node (`ss -xlp | grep chaosctl`), or end it; then try again.",
                    ) from error
                threading.Event().wait(_PAUSE)
        yield held.fileno()
