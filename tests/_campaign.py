"""Runs of chaosctl that are hit by a signal in every part of their life, and what is true afterwards."""

import json
import os
import queue
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from probes.dns import Question, ask
from runner import tables
from runner.errors import CommandFailed
from runner.model import Command, clock, parse_duration
from tests._alone import seeing
from tests._cli import CHAOSCTL
from tests._network import SERVER_V4, Network, network
from tests._nft import stand_in
from tests._scratch import left

NAME = "redis-cluster.payment.svc.cluster.local"
SLOW = """case "$*" in "-f -") sleep 0.3; $real "$@"; code=$?; sleep 0.2; exit $code;; esac; exec $real "$@" """
"""Makes the moments before and after a change of rules long enough to be hit."""

DNS = ("--target=redis-cluster",)

_T = TypeVar("_T")


@dataclass(frozen=True)
class Moment:
    """When to strike: so many seconds after the run has told of a step; none means after its start."""

    after: str
    seconds: float
    slow: bool


def moments(seed: int, number: int, duration: float) -> list[Moment]:
    """Return moments spread over the whole life of a run with a fault that lasts so long.

    They are counted from what the run tells, so that they hit the same steps on a slow machine.
    """
    chosen = random.Random(seed)  # noqa: S311 - moments, not secrets
    spans = [
        ("", 0.0, 0.6),  # starting, looking before
        ("before", 0.0, 0.8),  # ledger entry, commit, ledger entry
        ("armed", 0.0, 0.3),  # proof
        ("effective", 0.0, duration * 0.7),  # waiting
        ("effective", duration - 0.3, duration + 0.7),  # the end, undoing, closing
    ]
    return [
        Moment(after, chosen.uniform(begin, end), slow=position % 2 == 1)
        for position, (after, begin, end) in zip(range(number), spans * number, strict=False)
    ]


@dataclass
class Run:
    """One injection on a network of its own, with a state directory of its own."""

    net: Network
    place: Path
    process: "subprocess.Popen[str]"
    steps: list[str]

    @property
    def fault_id(self) -> str:
        """The fault's id, empty as long as it was not told."""
        head = re.match(r"[a-z-]+ (\w+):", self.steps[0]) if self.steps else None
        return head[1] if head else ""

    def reach(self, moment: Moment) -> None:
        """Wait until that moment, or until the run has ended."""
        while moment.after and not any(line.split()[:1] == [moment.after] for line in self.steps[1:]):
            if self.process.poll() is not None:
                return
            time.sleep(0.002)
        threading.Event().wait(moment.seconds)

    def chaosctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run another chaosctl that finds this run's namespaces only."""
        scratch = self.place / f"seen-{time.monotonic_ns()}"
        scratch.mkdir()
        argv = [*seeing(scratch, self.net.client), CHAOSCTL, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False, env=self._environment(), timeout=60)

    def faults(self) -> list[dict[str, Any]]:
        """Return what `chaosctl faults` says."""
        listed: list[dict[str, Any]] = json.loads(self.chaosctl("faults", "--output", "json").stdout)
        return listed

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_STATE_HOME": str(self.place / "state"), "CHAOSCTL_RUN": str(self.place / "run")}

    def ends(self) -> tuple[float, float] | None:
        """Return between which moments the kernel will end the fault; None where it is not armed."""
        asked = clock()
        try:
            listing = self.net.client.run(Command(("nft", "list", "set", "inet", tables.table(self.fault_id), "armed")))
        except CommandFailed:
            return None
        found = re.search(r"expires (\w+)", listing)
        rest = parse_duration(found[1]) if found else 0.0
        return (asked + rest, clock() + rest) if found else None

    def resolves(self) -> bool:
        """Return whether the name resolves in the client's namespace, with patience for a slow machine."""
        return ask(self.net.client, Question(NAME, SERVER_V4), 10.0).addresses > 0

    def left(self) -> list[str]:
        """Return what is left in the client's namespace."""
        return left(self.net.client)


@contextmanager
def running(
    net: Network, place: Path, duration: str, slow: bool, fault: str = "network-dns", arguments: Sequence[str] = DNS
) -> Iterator[Run]:
    """Start an injection as the leader of its own process group, and listen to what it tells."""
    place.mkdir()
    path = stand_in(place, SLOW) if slow else os.environ["PATH"]
    argv = [CHAOSCTL, "inject", fault, *arguments, f"--on={net.client.name}"]
    process = subprocess.Popen(
        [*argv, f"--duration={duration}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        process_group=0,
        env={
            **os.environ,
            "XDG_STATE_HOME": str(place / "state"),
            "CHAOSCTL_RUN": str(place / "run"),
            "PATH": path,
        },
    )
    made = Run(net, place, process, [])
    assert process.stdout
    listening = threading.Thread(target=made.steps.extend, args=(process.stdout,))
    listening.start()
    try:
        yield made
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        listening.join()
        process.stdout.close()


def campaign(strike: Callable[[Network, Path, Moment], _T], moments: Iterable[Moment], place: Path) -> list[_T]:
    """Strike at each moment, four at a time, each on a network that is then used again."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        free: queue.Queue[Network] = queue.Queue()
        for net in pool.map(lambda _: stack.enter_context(network()), range(4)):
            free.put(net)

        def one(numbered: tuple[int, Moment]) -> _T:
            net = free.get()
            try:
                return strike(net, place / str(numbered[0]), numbered[1])
            finally:
                free.put(net)

        return list(pool.map(one, enumerate(moments)))
