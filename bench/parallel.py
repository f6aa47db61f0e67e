"""How long it takes until a fault is in place, and proven, in a hundred network namespaces at once."""

import os
import secrets
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from runner.discovery import fault
from runner.lifecycle import Injection
from runner.plan import plan
from runner.targets.netns import Netns
from tests._network import SERVER_V4, ZONE, resolv_conf
from tests._scratch import left

_NAMESPACES = 100
_ROUNDS = 5
_LIMIT = 2.0


def main() -> None:
    """Inject network-dns into all of them, five times; the promise is two seconds on two cores."""
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="bench-")
    with _farm(_NAMESPACES) as targets:
        rounds = [(*found, sum(found)) for found in (_injected(targets) for _ in range(_ROUNDS))]
    print(f"{_NAMESPACES} namespaces, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; seconds\n")
    print(f"{'':34} {'median':>7} {'best':>7} {'worst':>7}")
    for row, name in enumerate(
        ("seen without it, everywhere", "ledger and commits, everywhere", "from commit to proven", "in all")
    ):
        times = [found[row] for found in rounds]
        print(f"{name:34} {statistics.median(times):7.2f} {min(times):7.2f} {max(times):7.2f}")
    usual = statistics.median(found[-1] for found in rounds)
    assert usual < _LIMIT, f"{_NAMESPACES} namespaces took {usual:.2f} s, and {_LIMIT:g} s are promised"


def _injected(targets: list[Netns]) -> tuple[float, float, float]:
    """Return how long it took to look before, to commit everywhere, and to see it everywhere; nothing is left."""
    moments = {"begun": time.perf_counter()}
    where = ",".join(at.name for at in targets)
    arguments = {"target": "redis-cluster", "where": where, "duration": "60s", "mode": "servfail"}

    def tell(what: str, _: str) -> None:
        moments.setdefault(what, time.perf_counter())

    injection = Injection(plan(fault("network-dns"), arguments), threading.Event(), tell)
    injection.start()
    assert all(course.effective for course in injection.courses)
    injection.stop.set()
    injection.finish()
    assert left(*targets) == []
    order = [moments[what] for what in ("begun", "before", "armed", "effective")]
    return order[1] - order[0], order[2] - order[1], order[3] - order[2]


@contextmanager
def _farm(number: int) -> Iterator[list[Netns]]:
    """Make so many namespaces on one bridge with a DNS server, and remove them."""
    mark = f"bench-{secrets.token_hex(2)}"
    hub = f"{mark}-hub"
    targets = [Netns(f"{mark}-{count}") for count in range(number)]
    batch = ["link add hub type bridge", "link set hub up", f"addr add {SERVER_V4}/16 dev hub", "link set lo up"]
    _run("ip", "netns", "add", hub)
    try:
        for count, at in enumerate(targets):
            _run("ip", "netns", "add", at.namespace)
            batch += [
                f"link add port{count} type veth peer name wire netns {at.namespace}",
                f"link set port{count} master hub up",
            ]
        _run("ip", "-n", hub, "-batch", "-", stdin="\n".join(batch))
        for count, at in enumerate(targets):
            address = f"10.99.{8 + count // 250}.{1 + count % 250}/16"
            _run("ip", "-n", at.namespace, "-batch", "-", stdin=f"addr add {address} dev wire\nlink set wire up\n")
            resolv_conf(at).parent.mkdir(parents=True)
            resolv_conf(at).write_text(f"nameserver {SERVER_V4}\nsearch payment.svc.cluster.local\n")
        with _server(hub):
            yield targets
    finally:
        for at in [*targets, Netns(hub)]:
            subprocess.run(["ip", "netns", "del", at.namespace], check=False, capture_output=True)
            resolv_conf(at).unlink(missing_ok=True)
            if resolv_conf(at).parent.is_dir():
                resolv_conf(at).parent.rmdir()


@contextmanager
def _server(hub: str) -> Iterator[None]:
    records = [f"--host-record={name},{addresses}" for name, addresses in ZONE.items()]
    argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-hosts", "--user=root"]
    options = ["--no-resolv", "--local=/cluster.local/", "--cache-size=0"]
    server = subprocess.Popen(["ip", "netns", "exec", hub, *argv, *options, *records])
    try:
        time.sleep(0.5)
        yield
    finally:
        server.terminate()
        server.wait()


def _run(*argv: str, stdin: str = "") -> None:
    subprocess.run(argv, check=True, input=stdin, text=True, capture_output=True)
