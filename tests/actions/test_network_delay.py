"""network-delay, on two hosts of a test's own, by a kernel that has netem."""

import os
import signal
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from actions.network_delay import NetworkDelay
from runner.errors import Inconclusive, Refused, UsageError
from runner.parameters import build
from tests._cli import chaosctl, proven, started
from tests._inject import injection
from tests._wire import OTHER_V4, OTHER_V6, PORTS, V4, V6, Wire, faulted, within

HERE, ELSEWHERE = PORTS

ROOTS = {
    "fq_codel": ["qdisc add dev wire root handle 7: fq_codel limit 500 target 4ms"],
    "htb with classes": [
        "qdisc add dev wire root handle 1: htb default 20",
        "class add dev wire parent 1: classid 1:10 htb rate 500mbit ceil 800mbit",
        "class add dev wire parent 1: classid 1:20 htb rate 900mbit",
        "qdisc add dev wire parent 1:20 handle 20: pfifo limit 300",
        f"filter add dev wire parent 1: protocol ip prio 3 u32 match ip dst {OTHER_V4} flowid 1:10",
    ],
    "mq": ["qdisc add dev wire root handle 9: mq"],
}
"""What somebody configured at the root of the interface; `wire` has two queues, so that mq can be had."""


def tolerance(seconds: float) -> float:
    """Return how far a delay may be off: an emulated machine is slow."""
    return max(0.003, 0.15 * seconds)


def assert_later(line: Wire, address: str, seconds: float) -> None:
    """See pings so much later than those to another address of the same host, in the same seconds."""
    other = OTHER_V6 if ":" in address else OTHER_V4
    unfaulted: list[float] = []

    def gain() -> float:
        unfaulted.extend(line.pings(other, 9))
        return statistics.median(line.pings(address, 15)) - statistics.median(unfaulted)

    within(gain, seconds - tolerance(seconds), seconds + tolerance(seconds))
    assert min(unfaulted) < seconds / 2, "the other address is left alone"


@contextmanager
def rooted(line: Wire, commands: list[str]) -> Iterator[None]:
    """Have somebody's own qdisc at the root of the client's interface."""
    for command in commands:
        line.run("tc", *command.split())
    try:
        yield
    finally:
        line.run("tc", "qdisc", "del", "dev", "wire", "root", check=False)


@pytest.mark.netem
def test_delays_one_port_by_one_protocol_and_nothing_else(line: Wire) -> None:
    where = {"target": f"{V4},{V6}", "port": HERE, "protocol": "tcp"}
    with faulted(line, "network-delay", delay="100ms", **where) as made:
        for address in (V4, V6):
            within(lambda to=address: statistics.median(line.connects(HERE, to)), 0.1, 0.1 + tolerance(0.1))  # type: ignore[misc]
            assert statistics.median(line.connects(ELSEWHERE, address)) < 0.05
            assert statistics.median(line.pings(address)) < 0.05
        assert statistics.median(line.echoes(HERE)) < 0.05
    assert made.hits is not None
    assert made.hits >= 44, "each connection sends four packets, of which none is chaosctl's own"


@pytest.mark.netem
def test_delays_both_directions_with_jitter(line: Wire) -> None:
    varied = {"jitter": "20ms", "correlation": "25%", "distribution": "normal"}
    with faulted(line, "network-delay", target=V6, delay="60ms", direction="both", **varied):
        assert_later(line, V6, 0.12)
        assert statistics.stdev(line.pings(V6, 30)) > 0.01


@pytest.mark.netem
def test_somebodys_qdiscs_stay_what_they_are_byte_for_byte(line: Wire) -> None:
    fault = build(NetworkDelay, {"target": V4, "delay": "100ms", "interface": "wire"})
    for number, commands in enumerate(([], *ROOTS.values())):
        with rooted(line, commands):
            before = line.qdiscs()
            steps = fault.steps(line.client, f"root{number}", 600)
            for command in steps.inject:
                line.client.run(command)
            assert line.run("tc", "-json", "qdisc", "show", "dev", "wire") == before.split("\n")[0] + "\n"
            assert_later(line, V4, 0.1)
            for command in steps.undo:
                line.client.run(command)
            assert line.qdiscs() == before


@pytest.mark.netem
def test_ends_by_the_kernel_with_every_process_dead(line: Wire) -> None:
    argv = ["inject", "network-delay", f"--on={line.client.name}", f"--target={V4}", "--delay=600ms"]
    with started(*argv, "--duration=15s") as run:
        fault_id = proven(run)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    times = [line.pings(V4, 1)[0]]
    while times[-1] > 0.3:
        times.append(line.pings(V4, 1)[0])
    assert times[0] > 0.5, "it was still there when everybody was dead"
    assert "elements" not in line.run("nft", "list", "set", "netdev", f"chaos_{fault_id}", "armed")
    assert f"{fault_id}  inert" in chaosctl("faults").out
    assert chaosctl("recover", fault_id).code == 0


@pytest.mark.netem
def test_is_not_proven_where_nothing_is_held_back(line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkDelay, "qdisc", "netem limit 1000 delay 1us")
    proof = NetworkDelay.proof
    monkeypatch.setattr(NetworkDelay, "proof", lambda fault, at: replace(proof(fault, at), patience=1))
    with pytest.raises(Inconclusive, match="did not show"):
        injection("network-delay", where=line.client.name, target=V4, delay="100ms", duration="60s").start()


@pytest.mark.netem
def test_is_refused_where_somebodys_filter_acts(line: Wire) -> None:
    line.run("tc", "qdisc", "add", "dev", "wire", "clsact")
    line.run("tc", "filter", "add", "dev", "wire", "egress", "matchall", "action", "drop")
    try:
        with pytest.raises(Refused, match="matchall"):
            build(NetworkDelay, {"target": V4, "delay": "10ms"}).steps(line.client, "filtered", 60)
    finally:
        line.run("tc", "qdisc", "del", "dev", "wire", "clsact")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"delay": "11s"}, "longer than 10s"),
        ({"jitter": "101ms"}, "larger than --delay"),
        ({"correlation": "25%"}, "about the jitter"),
        ({"distribution": "normal"}, "about the jitter"),
        ({"target": "10.0.0.0/8"}, "--witness is missing"),
        ({"target": "10.0.0.0/33"}, "no range of addresses"),
        ({"protocol": "tcp"}, "which port answers"),
        ({"port": 80, "witness": f"{V4}:81"}, "does not answer at port 80"),
    ],
)
def test_refuses_what_cannot_be_meant(written: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(NetworkDelay, {"target": V4, "delay": "100ms", **written})
