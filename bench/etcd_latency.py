"""What a load of its own sees of etcd-latency, against what was asked for."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from actions._windows import quantile
from tests._etcd import etcd

_CHAOSCTL = str(Path(sys.executable).parent / "chaosctl")


@dataclass(frozen=True)
class _Case:
    """One injection; the load makes so many requests a second, over the wire or over lo, with or without TLS."""

    way: str
    latency: int
    percentile: float
    duration: int
    rate: float
    calm: float
    """How many milliseconds P90 may have, where the percentile lies above it."""

    def arguments(self) -> list[str]:
        return [f"--latency={self.latency}ms", f"--percentile={self.percentile:g}", f"--duration={self.duration}s"]


_AT_ONCE = 3
_CASES = (
    _Case("lo", 2500, 99, 300, 50, 100),
    _Case("veth", 2500, 99, 300, 20, 100),
    _Case("veth, TLS", 2500, 99, 300, 50, 100),
    _Case("veth", 2500, 99, 300, 100, 100),
    _Case("veth", 800, 95, 300, 50, 160),
    _Case("veth", 300, 50, 60, 50, float("inf")),
)


def main() -> None:
    """Run the cases some at a time, each with an etcd of its own."""
    print(
        f"{'way':10} {'writes/s':>8} {'asked for':>14} {'P50':>7} {'P90':>7} {'P95':>7} {'P99':>7} {'slowest':>8} "
        f"{'error':>6} {'reads P99':>9} {'own figure':>10} {'leader':>7}"
    )
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        missed = [line for lines in pool.map(lambda case: list(_run(case)), _CASES) for line in lines]
    assert not missed, "; ".join(missed)


def _run(case: _Case) -> Iterator[str]:
    """Print one row, and yield what it misses."""
    with etcd(wire=case.way != "lo", tls="TLS" in case.way) as made, made.load(case.rate) as load:
        named = {name.replace("_", "-"): value for name, value in made.arguments.items() if name != "where"}
        options = [f"--{name}={value}" for name, value in named.items()]
        argv = [_CHAOSCTL, "inject", "etcd-latency", f"--on={made.client.name}", *options, *case.arguments()]
        environment = {**os.environ, "XDG_STATE_HOME": tempfile.mkdtemp(prefix="bench-")}
        done = subprocess.run([*argv, "--output=json"], capture_output=True, text=True, check=False, env=environment)
    if not done.stdout:
        yield f"{case}: {done.stderr}"
        return
    [target] = json.loads(done.stdout)["targets"]
    writes, reads = (load.took(target["committed"], target["deadline"], kind) for kind in (False, True))
    own = next(look["evidence"] for look in target["looks"] if "achieved" in look["evidence"])
    p50, p90, p95, p99 = (1000 * quantile(writes, share) for share in (0.5, 0.9, 0.95, 0.99))
    found = 1000 * quantile(writes, case.percentile / 100)
    error = found / case.latency - 1
    print(
        f"{case.way:10} {case.rate:8.0f} {f'P{case.percentile:g} {case.latency} ms':>14} {p50:5.0f}ms {p90:5.0f}ms "
        f"{p95:5.0f}ms {p99:5.0f}ms {1000 * max(writes):6.0f}ms {error:+6.1%} {1000 * quantile(reads, 0.99):7.0f}ms "
        f"{1000 * own['achieved']:8.0f}ms {'stayed' if own['leader_stayed'] else 'CHANGED':>7}",
        flush=True,
    )
    if abs(error) > 0.1:
        yield f"{case}: P{case.percentile:g} is {found:.0f} ms"
    if p90 > case.calm:
        yield f"{case}: P90 is {p90:.0f} ms"
    if not own["leader_stayed"] or load.told["failed"]:
        yield f"{case}: the leader changed, or {len(load.told['failed'])} requests failed"
