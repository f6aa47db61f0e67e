"""Two hosts on one wire, with services that answer: what the faults network-* are tried on."""

import math
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

from runner.lifecycle import Injection
from runner.model import Command, clock
from runner.targets import reach
from runner.targets.netns import Netns
from tests._inject import healed, injected
from tests._network import OURS, resolv_conf

V4, V6 = "10.98.7.2", "fd98:7::2"
OTHER_V4, OTHER_V6 = "10.98.7.3", "fd98:7::3"
"""More addresses of the server: nobody's target, unless a test says so; the first is the client's DNS server."""

PORTS = 7001, 7002


@dataclass
class Wire:
    """What a test works on; `client` is the faults' target."""

    client: Netns
    server: Netns

    def run(self, *argv: str, on: Netns | None = None, check: bool = True) -> str:
        """Run a command in a namespace, and return what it printed."""
        inside = ["ip", "netns", "exec", (on or self.client).namespace, *argv]
        return subprocess.run(inside, capture_output=True, text=True, check=check, timeout=60).stdout

    def pings(self, address: str, number: int = 15, gap: float = 0.02) -> list[float]:
        """Return how long each answer of ping took, in seconds, in the order they came."""
        return [float(found) / 1000 for found in re.findall(r"time=([\d.]+) ms", self.ping(address, number, gap))]

    def connects(self, port: int, address: str = V4, number: int = 11) -> list[float]:
        """Return how long it took to connect, in seconds, each time."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        times = []
        for _ in range(number):
            with self.client.socket(family, socket.SOCK_STREAM) as made:
                made.settimeout(5)
                begun = clock()
                made.connect((address, port))
                times.append(clock() - begun)
        return times

    def echoes(self, port: int, number: int = 11) -> list[float]:
        """Return how long a datagram took there and back, in seconds, each time."""
        times = []
        with self.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
            made.settimeout(5)
            for _ in range(number):
                begun = clock()
                made.sendto(b"hello", (V4, port))
                made.recv(100)
                times.append(clock() - begun)
        return times

    def answered(self, address: str, number: int, gap: float = 0.002) -> list[bool]:
        """Ping so often, and return of each whether an answer came."""
        came = {int(found) for found in re.findall(r"icmp_seq=(\d+) ", self.ping(address, number, gap))}
        return [sequence in came for sequence in range(1, number + 1)]

    def ping(self, address: str, number: int, gap: float = 0.002) -> str:
        """Return what ping says; it waits a second for the last answers."""
        return self.run("ping", "-n", "-c", str(number), "-i", str(gap), "-W", "1", address, check=False)

    def qdiscs(self) -> str:
        """Return all that tc says of the client's qdiscs and classes, byte for byte."""
        said = [self.run("tc", "-json", what, "show", "dev", "wire") for what in ("qdisc", "class", "filter")]
        return "\n".join([*said, self.run("tc", "-json", "qdisc", "show")])

    def state(self) -> list[str]:
        """Return the client's qdiscs, links and packet rules."""
        links = sorted(line.split()[0] for line in self.run("ip", "-brief", "link").splitlines())
        return [self.qdiscs(), *links, self.client.run(Command(("nft", "list", "ruleset")))]


@contextmanager
def faulted(line: Wire, name: str, **arguments: Any) -> Iterator[Injection]:
    """Keep a fault at the client, proven, for as long as the block takes; then it is undone, and seen to be gone."""
    made = injected(name, **{"where": line.client.name, "duration": "10m", **arguments})
    try:
        yield made
    finally:
        healed(made)
    assert made.healed, made.account()


def interval(share: float, trials: int, confidence: float = 0.99) -> tuple[int, int]:
    """Return the fewest and the most hits that so many trials have with that confidence (binomial)."""
    tail, below, fewest = (1 - confidence) / 2, 0.0, 0
    for hits in range(trials + 1):
        below += math.comb(trials, hits) * share**hits * (1 - share) ** (trials - hits)
        if below < tail:
            fewest = hits + 1
        if below >= 1 - tail:
            return fewest, hits
    return fewest, trials


def within(measure: Callable[[], float], low: float, high: float) -> float:
    """Measure until it is between the two, at most four times: chance and a busy machine may spoil one; return it.

    With a confidence of 99% each, right ones are refused once in a hundred million times.
    """
    measured = [measure()]
    while not low <= measured[-1] <= high:
        assert len(measured) < 4, f"{measured} are not between {low} and {high}"
        measured.append(measure())
    return measured[-1]


@contextmanager
def wire() -> Iterator[Wire]:
    """Make client, server and the wire between them; remove them all afterwards."""
    mark = f"{OURS}-{secrets.token_hex(3)}"
    client, server = (reach(f"netns:ct-{mark}-{role}") for role in ("client", "server"))
    assert isinstance(client, Netns)
    assert isinstance(server, Netns)
    try:
        _batch("\n".join(f"netns add {at.namespace}" for at in (client, server)))
        peer = f"peer name wire netns {server.namespace}"
        _batch(f"link add wire netns {client.namespace} numtxqueues 2 numrxqueues 2 type veth {peer}")
        for at in (client, server):  # addresses after this: coming up puts those there through a second of DAD again
            _batch("link set lo up\nlink set wire up", at)
        for at, numbers in ((client, (1,)), (server, (2, 3))):
            added = (f"10.98.7.{number}/24 dev wire\naddr add fd98:7::{number}/64 dev wire nodad" for number in numbers)
            _batch("\n".join(f"addr add {each}" for each in added), at)
        resolv_conf(client).parent.mkdir(parents=True)
        resolv_conf(client).write_text(f"nameserver {OTHER_V4}\n")
        with _answering(server):
            yield Wire(client, server)
    finally:
        for at in (client, server):
            subprocess.run(["ip", "netns", "del", at.namespace], capture_output=True, check=False)
        shutil.rmtree(resolv_conf(client).parent, ignore_errors=True)


@contextmanager
def _answering(at: Netns) -> Iterator[None]:
    """Take connections and return datagrams at all of `PORTS`."""
    opened = []
    everywhere = product(
        (V4, OTHER_V4, V6, OTHER_V6), PORTS, ((socket.SOCK_STREAM, _take), (socket.SOCK_DGRAM, _return))
    )
    for address, port, (kind, serve) in everywhere:  # bound to each address: answers come from where was asked
        made = at.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((address, port))
        if kind is socket.SOCK_STREAM:
            made.listen(128)
        opened.append(made)
        threading.Thread(target=serve, args=(made,), daemon=True).start()
    try:
        yield
    finally:
        for made in opened:
            with suppress(OSError):
                made.shutdown(socket.SHUT_RDWR)
            made.close()


def _take(listening: socket.socket) -> None:
    """Take connections and read what they send until they end."""
    with suppress(OSError):
        while True:
            threading.Thread(target=_drain, args=(listening.accept()[0],), daemon=True).start()


def _drain(taken: socket.socket) -> None:
    with taken, suppress(OSError):
        while taken.recv(1 << 16):
            pass
        taken.send(b"all")


def _return(bound: socket.socket) -> None:
    """Return every datagram to where it came from."""
    with suppress(OSError):
        while True:
            said, sender = bound.recvfrom(65536)
            if not sender:  # shut down
                return
            bound.sendto(said, sender)


def _batch(commands: str, at: Netns | None = None) -> None:
    inside = ["-n", at.namespace] if at else []
    argv = ["ip", *inside, "-batch", "-"]
    environment = {**os.environ, "LANG": "C"}
    subprocess.run(argv, input=commands, text=True, check=True, capture_output=True, env=environment)
