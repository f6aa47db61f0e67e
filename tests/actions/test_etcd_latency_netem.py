"""etcd-latency by netem, on a real etcd: what it delays, what ends it, and what it leaves alone.

The writer's figures have no upper limit here: in a guest that is emulated, etcd and the writer take their time. How
much later packets come is measured by connections, which only the kernels at both ends take part in.
"""

import os
import signal
import socket
import statistics
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from actions import _tc
from runner.errors import Inconclusive
from runner.lifecycle import Injection
from runner.model import Command, clock
from tests._cli import chaosctl, proven, started
from tests._etcd import Etcd, etcd
from tests._inject import healed, injected, injection
from tests._scratch import left
from tests._wire import within

pytestmark = pytest.mark.netem


@pytest.fixture(scope="module")
def wired() -> Iterator[Etcd]:
    with etcd() as made:
        yield made


def connects(made: Etcd, number: int = 7) -> list[float]:
    """Return how long it took to connect to etcd, in seconds, each time."""
    to = urlsplit(made.url)
    times = []
    for _ in range(number):
        with made.client.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
            one.settimeout(10)
            begun = clock()
            one.connect((to.hostname, to.port))
            times.append(clock() - begun)
    return times


def late(made: Etcd, **asked: Any) -> Injection:
    """Return one whose effect is proven; an etcd that answers late by itself, in a starved guest, is given time."""
    until = clock() + 120
    while True:
        try:
            return injected("etcd-latency", **asked, **made.arguments)
        except Inconclusive as error:
            if "even without the fault" not in error.message or clock() > until:
                raise


def assert_later(made: Etcd, usual: float, seconds: float) -> None:
    off = max(0.003, 0.15 * seconds)
    within(lambda: statistics.median(connects(made)) - usual, seconds - off, seconds + off)


def qdiscs(made: Etcd, *of: str) -> str:
    return made.client.run(Command(("tc", "-json", "qdisc", "show", *of)))


def assert_all_is_late_and_nobodys_qdisc_is_touched(made: Etcd, interface: str) -> None:
    made.client.run(Command(("tc", "qdisc", "add", "dev", interface, "root", "handle", "7:", "fq_codel")))
    try:
        at_it, everywhere, usual = qdiscs(made, "dev", interface), qdiscs(made), statistics.median(connects(made, 15))
        fault = late(made, latency="600ms", duration="10m")
        assert qdiscs(made, "dev", interface) == at_it
        assert_later(made, usual, 0.6)
        assert healed(fault).healed, fault.account()
        assert fault.hits, "connections that were not the writer's own met it"
        assert qdiscs(made) == everywhere
        assert statistics.median(connects(made)) < 0.3
        assert left(made.client) == []
    finally:
        made.client.run(Command(("tc", "qdisc", "del", "dev", interface, "root")))


def test_every_packet_to_etcd_is_late_and_nobodys_qdisc_is_touched(no_leaks: None, wired: Etcd) -> None:
    assert_all_is_late_and_nobodys_qdisc_is_touched(wired, "wire")


def test_so_it_is_where_etcd_is_on_the_same_machine(no_leaks: None) -> None:
    with etcd(wire=False) as made:
        assert_all_is_late_and_nobodys_qdisc_is_touched(made, "lo")


def test_with_jitter_it_comes_to_what_was_asked_for_and_ends_at_the_deadline(no_leaks: None, wired: Etcd) -> None:
    asked = {"latency": "800ms", "jitter": "200ms", "correlation": "25%", "duration": "15s"}
    fault = late(wired, **asked)
    spread = connects(wired)
    fault.wait()
    fault.finish()
    assert max(spread) - min(spread) > 0.02, spread
    [course] = fault.courses
    assert course.achieved
    assert course.achieved.evidence["achieved"] > 0.7, course.achieved.detail
    assert course.achieved.evidence["leader_stayed"]
    assert course.ended_how == "deadline"
    assert fault.healed
    assert fault.account()["notes"][0].startswith("Engine: netem, as always")


def test_ends_by_the_kernel_with_every_process_dead(no_leaks: None, wired: Etcd) -> None:
    argv = ["inject", "etcd-latency", f"--on={wired.client.name}", f"--endpoint={wired.url}", "--latency=600ms"]
    with started(*argv, "--duration=20s") as run:
        fault_id = proven(run)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    times = connects(wired, 1)
    while times[-1] > 0.3:
        times += connects(wired, 1)
    assert times[0] > 0.5, "it was still there when everybody was dead"
    armed = wired.client.run(Command(("nft", "list", "set", "netdev", f"chaos_{fault_id}", "armed")))
    assert "elements" not in armed
    assert f"{fault_id}  inert" in chaosctl("faults").out
    assert chaosctl("recover", fault_id).code == 0
    assert left(wired.client) == []


def test_a_percentile_by_netem_delays_in_windows_that_the_kernel_closes(no_leaks: None, wired: Etcd) -> None:
    asked = {"latency": "800ms", "percentile": 50, "engine": "netem", "duration": "10m"}
    fault = late(wired, **asked)
    times = connects(wired, 1)
    while not (max(times) > 0.6 and min(times) < 0.3):
        times += connects(wired, 1)
        assert len(times) < 2000, "windows neither open nor close"
    assert fault.account()["notes"][0].startswith("Engine: netem, as was asked for. ")
    assert healed(fault).healed
    assert left(wired.client) == []


def test_what_delays_nothing_is_not_proven(no_leaks: None, wired: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tc, "in_order", lambda _: "netem limit 1000 delay 1us")
    fault = injection("etcd-latency", latency="600ms", duration="10m", **wired.arguments)
    with pytest.raises(Inconclusive, match="did not show"):
        fault.start()
    assert left(wired.client) == []
