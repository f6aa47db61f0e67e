"""How exact network-delay is on this kernel; where it has no netem, in a guest, which is emulated and slow."""

import os
import statistics
import subprocess
import sys
import tempfile

from tests._wire import OTHER_V4, V4, Wire, faulted, wire
from tests.guest.outside import has_netem

_PINGS = {0.01: 101, 0.1: 41, 1.0: 11}
_TARGET = 0.02


def main() -> None:
    """Compare with pings to another address of the same host, in the same seconds."""
    if not has_netem():
        print("This kernel has no netem: in a guest.", flush=True)
        argv = [sys.executable, "-m", "bench", "network_accuracy"]
        subprocess.run([sys.executable, "-m", "tests.guest", *argv], check=True)
        return
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="bench-")
    print(f"Linux {os.uname().release}; pings to the fault's target less pings to its neighbour; target {_TARGET:.0%}")
    print(
        f"{'delay':>9} {'neighbour':>10} {'target':>10} {'gained':>10} {'error':>7} {'10% of pings':>13} {'within':>7}"
    )
    with wire() as line:
        for delay, number in _PINGS.items():
            _row(line, delay, number)


def _row(line: Wire, delay: float, number: int) -> None:
    with faulted(line, "network-delay", target=V4, delay=f"{delay * 1000:.0f}ms"):
        usual = statistics.median(line.pings(OTHER_V4, number))
        times = line.pings(V4, number)
    gained = statistics.median(times) - usual
    slowest = statistics.quantiles(times, n=10)[-1] - usual
    error = gained / delay - 1
    cells = [f"{value * 1000:.2f}ms" for value in (usual, statistics.median(times), gained)]
    tail, verdict = f"> {slowest * 1000:.2f}ms", "yes" if abs(error) <= _TARGET else "no"
    written = " ".join(f"{cell:>10}" for cell in cells)
    print(f"{delay * 1000:7.0f}ms {written} {error:7.1%} {tail:>13} {verdict:>7}", flush=True)
