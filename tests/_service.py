"""A service for faults at processes: a real Redis in a namespace of its own, in a cgroup of its own where asked."""

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runner import cgroups, guarding
from runner.cgroups import Cgroup
from runner.model import Steps
from runner.targets import reach
from runner.targets.netns import Netns

BOTH_CGROUPS = pytest.mark.parametrize("cgroups", ["here", pytest.param("version 2", marks=pytest.mark.unified)])
"""By the cgroups of this machine, whatever they are, and by those of version 2."""

_SUPERVISED = 'while "$@"; [ ! -e "$PWD/over" ]; do :; done'


@dataclass
class Service:
    """A Redis; `supervised` ones are started again whenever they end."""

    at: Netns
    place: Path
    process: "subprocess.Popen[bytes]"

    def answers(self, patience: float = 10.0) -> bool:
        """Return whether it answers a ping within so many seconds."""
        with self.at.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
            made.settimeout(patience)
            try:
                made.connect(("127.0.0.1", 6379))
                made.sendall(b"PING\r\n")
                return made.recv(64) == b"+PONG\r\n"
            except OSError:
                return False

    @property
    def pids(self) -> list[int]:
        """The processes of Redis that are there now."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.at.namespace], capture_output=True, text=True, check=True
        ).stdout
        names = {int(pid): _name(int(pid)) for pid in found.split()}
        return [pid for pid, name in names.items() if name == "redis-server"]

    def state(self) -> str:
        """The state of the first of them, as the kernel tells it."""
        return Path(f"/proc/{self.pids[0]}/stat").read_text().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def service(at: Netns, place: Path, supervised: bool = False) -> Iterator[Service]:
    """Start one, and end it whatever became of it."""
    place.mkdir()
    redis = ["redis-server", "--bind", "127.0.0.1", "--save", "", "--dir", str(place)]
    argv = ["sh", "-c", _SUPERVISED, "sh", *redis] if supervised else redis
    inside = ["nsenter", f"--net={at.path}", *argv]
    started = subprocess.Popen(inside, cwd=place, stdout=subprocess.DEVNULL, start_new_session=True)
    made = Service(at, place, started)
    try:
        wait_for(lambda: made.answers(1.0), "Redis does not answer")
        yield made
    finally:
        (place / "over").touch()
        for pid in made.pids:
            subprocess.run(["kill", "-KILL", str(pid)], check=False, capture_output=True)
        started.wait(20)


@contextlib.contextmanager
def cgroup_of(made: Service) -> Iterator[Cgroup]:
    """Put a service into cgroups of its own, with most of the processors' time for whoever is in them."""
    roots = cgroups.of(reach("local"), None)
    places = [Path(file).parent / f"ct-{made.at.namespace}" for file in roots.procs]
    try:
        for place in places:
            place.mkdir()
            for name, value in {"cpu.shares": "100000", "cpu.weight": "10000"}.items():
                if (place / name).exists():
                    (place / name).write_text(value)
            if not (place / "cpuset.mems").exists():
                (place / "cgroup.procs").write_text(str(made.pids[0]))
        yield cgroups.of(reach("local"), made.pids[0])
    finally:
        for place in places:
            for pid in (place / "cgroup.procs").read_text().split():
                (place.parent / "cgroup.procs").write_text(pid)
            wait_for(lambda place=place: _removed(place), f"{place} cannot be removed")


def breaking(patch: pytest.MonkeyPatch, **changes: object) -> None:
    """Break the mechanism of guarded faults: what is changed of what a guardian is told to do."""
    real = guarding.steps

    def broken(fault_id: str, fault: str, target: str, seconds: float, kind: str, work: Mapping[str, Any]) -> Steps:
        return real(fault_id, fault, target, seconds, kind, {**work, **changes})

    patch.setattr(guarding, "steps", broken)


def wait_for(true: object, otherwise: str, seconds: float = 60.0) -> None:
    """Poll until it is true; say what is wrong where it never is."""
    assert callable(true)
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, otherwise
        threading.Event().wait(0.02)


def _removed(place: Path) -> bool:
    with contextlib.suppress(OSError):
        place.rmdir()
    return not place.exists()


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
