"""How exact network-delay is on this kernel; where it has no netem, in a guest, which is emulated and slow.

What the machine itself adds is measured beside it, in the same run: an echo without a fault, one through a link that
holds nothing back, and one under netem at the root of the interface, as everybody else puts it there.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from actions.network_delay import NetworkDelay
from runner.parameters import build
from tests._wire import OTHER_V4, V4, Wire, faulted, wire
from tests.guest.outside import has_netem

_PINGS = {0.01: 101, 0.1: 41, 1.0: 11}
_TARGET = 0.02
_NOTHING = "pfifo limit 1000"


def main() -> None:
    """Compare with pings to another address of the same host, in the same seconds."""
    if not has_netem():
        print("This kernel has no netem: in a guest.", flush=True)
        argv = [sys.executable, "-m", "bench", "network_accuracy"]
        subprocess.run([sys.executable, "-m", "tests.guest", *argv], check=True)
        return
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="bench-")
    print(f"Linux {os.uname().release}; echoes under a delay less echoes without; target {_TARGET:.0%}")
    with wire() as line:
        usual = line.pings(V4, 101)
        print(f"without a fault: median {_ms(statistics.median(usual))}, P90 {_ms(_late(usual))}")
        with _through_a_link(line):
            passing = line.pings(V4, 101)
        gained = statistics.median(passing) - statistics.median(usual)
        print(f"through a link that holds nothing back: {_ms(gained)} more, P90 {_ms(_late(passing))}\n")
        print(f"{'delay':>9} {'way':>22} {'gained':>10} {'error':>7} {'10% of echoes':>14} {'within':>7}")
        for delay, number in _PINGS.items():
            _rows(line, delay, number)


def _rows(line: Wire, delay: float, number: int) -> None:
    """Print what both ways come to, each measured twice in turn."""
    found: dict[str, list[float]] = {"netem at the root": [], "network-delay": []}
    for _ in range(2):
        base = statistics.median(line.pings(V4, 41))
        with _at_the_root(line, delay):
            found["netem at the root"] += [took - base for took in line.pings(V4, number)]
        with faulted(line, "network-delay", target=V4, delay=f"{delay * 1000:.0f}ms"):
            base = statistics.median(line.pings(OTHER_V4, 41))
            found["network-delay"] += [took - base for took in line.pings(V4, number)]
    for way, gains in found.items():
        gained = statistics.median(gains)
        error = gained / delay - 1
        verdict = "yes" if abs(error) <= _TARGET else "no"
        tail = f"> {_ms(_late(gains))}"
        print(f"{delay * 1000:7.0f}ms {way:>22} {_ms(gained):>10} {error:7.1%} {tail:>14} {verdict:>7}", flush=True)


@contextmanager
def _at_the_root(line: Wire, delay: float) -> Iterator[None]:
    line.run("tc", "qdisc", "add", "dev", "wire", "root", "netem", "limit", "100000", "delay", f"{delay * 1000:.0f}ms")
    try:
        yield
    finally:
        line.run("tc", "qdisc", "del", "dev", "wire", "root")


@contextmanager
def _through_a_link(line: Wire) -> Iterator[None]:
    """Let packets pass the fault's own link, which has a queue that lets go at once."""
    with patch.object(NetworkDelay, "qdisc", _NOTHING):
        steps = build(NetworkDelay, {"target": V4, "delay": "1ms"}).steps(line.client, "bench", 600)
    for command in steps.inject:
        line.client.run(command)
    try:
        yield
    finally:
        for command in steps.undo:
            line.client.run(command)


def _late(times: list[float]) -> float:
    return statistics.quantiles(times, n=10)[-1]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}ms"
