"""How long a command takes to start, and to the moment the kernel has the rule."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests._network import network

_ROUNDS = 15
_CHAOSCTL = str(Path(sys.executable).parent / "chaosctl")


def main() -> None:
    """Compare with an empty Python in the same run: the machine is shared, so the ratio is what to look at."""
    with tempfile.TemporaryDirectory(prefix="bench-") as state, network() as net:
        os.environ["XDG_STATE_HOME"] = state
        inject = [
            _CHAOSCTL,
            "inject",
            "network-dns",
            "--target=redis-cluster",
            f"--on={net.client.name}",
            "--duration=10s",
        ]
        inject.append("--mode=servfail")
        rows: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: _whole([sys.executable, "-c", "pass"]),
            "chaosctl --help": lambda: _whole([_CHAOSCTL, "--help"]),
            "chaosctl faults": lambda: _whole([_CHAOSCTL, "faults"]),
            "inject, to the committed rule": lambda: _until_told(inject, "armed"),
            "inject, to the proof": lambda: _until_told(inject, "effective"),
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(_ROUNDS):
            for name, measure in rows.items():
                times[name].append(measure() * 1000)
    bare = statistics.median(times["python -c pass"])
    print(f"{'':32} {'median':>8} {'best':>8} {'ratio':>7}")
    for name, found in times.items():
        median = statistics.median(found)
        print(f"{name:32} {median:6.0f}ms {min(found):6.0f}ms {median / bare:6.1f}x")


def _whole(argv: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _until_told(argv: list[str], word: str) -> float:
    """Return the time from start until a line with the word, then stop the injection, which undoes it."""
    begun = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        assert running.stdout
        assert any(word in line for line in running.stdout), f"it never said {word!r}"
        took = time.perf_counter() - begun
        running.terminate()
    return took
