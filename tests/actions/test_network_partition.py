"""network-partition, on two hosts of a test's own: this kernel has all that it takes."""

import os
import re
import signal
import socket
from dataclasses import replace

import pytest

from actions import _traffic
from actions.network_partition import NetworkPartition
from runner import tables
from runner.errors import Inconclusive
from runner.model import clock, parse_duration
from tests._cli import Speaker, proven, started
from tests._inject import injection
from tests._wire import OTHER_V4, OTHER_V6, PORTS, V4, V6, Wire, faulted

HERE, ELSEWHERE = PORTS
TICK = 0.02


def reaches(line: Wire, address: str, port: int = HERE, kind: socket.SocketKind = socket.SOCK_DGRAM) -> bool:
    """Return whether the client gets an answer there, with a second of patience."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with line.client.socket(family, kind) as made:
        made.settimeout(1)
        try:
            made.connect((address, port))
            if kind is socket.SOCK_DGRAM:
                made.send(b"hello")
                made.recv(100)
        except TimeoutError:
            return False
    return True


def test_cuts_off_whom_it_names_in_both_directions(line: Wire) -> None:
    with faulted(line, "network-partition", target=f"{V4},{V6}") as made:
        assert line.pings(V4, 3) == line.pings(V6, 3) == []
        assert not reaches(line, V4)
        assert not reaches(line, V6, kind=socket.SOCK_STREAM)
        for address in (OTHER_V4, OTHER_V6):
            assert len(line.pings(address, 3)) == 3
            assert reaches(line, address)
            assert reaches(line, address, kind=socket.SOCK_STREAM)
    assert made.hits is not None
    assert made.hits >= 8, "six pings, a datagram, a connection; not what chaosctl itself sent"
    assert len(line.pings(V4, 3)) == len(line.pings(V6, 3)) == 3


@pytest.mark.parametrize("direction", ["in", "out"])
def test_cuts_off_one_port_of_a_range_by_one_protocol(line: Wire, direction: str) -> None:
    where = {"target": "10.98.7.0/30,fd98:7::/126", "port": HERE, "protocol": "udp", "direction": direction}
    with faulted(line, "network-partition", **where, witness=V4, control=f"{V4}:{ELSEWHERE}"):
        assert not reaches(line, V6)
        assert reaches(line, V6, kind=socket.SOCK_STREAM)
        assert reaches(line, V6, ELSEWHERE)
        assert len(line.pings(V4, 3)) == 3


def test_ends_by_the_kernel_with_every_process_dead(line: Wire, say: Speaker) -> None:
    argv = ["inject", "network-partition", f"--on={line.client.name}", f"--target={V4}", f"--port={HERE}"]
    with started(*argv, "--duration=4s") as run:
        fault_id = proven(run)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        earliest, latest = _ends(line, fault_id)
        sent = _until_answered(line, latest + 2)
    early = [begun for begun, done, answered in sent if answered and done < earliest - TICK]
    late = [begun for begun, done, answered in sent if not answered and begun > latest + 0.1]
    assert (early, late) == ([], [])
    assert any(not answered for _, _, answered in sent), "it was still there when everybody was dead"
    assert f"{fault_id}  inert" in say("faults").out
    assert say("recover", fault_id).code == 0


def _ends(line: Wire, fault_id: str) -> tuple[float, float]:
    """Return between which moments the kernel ends it."""
    asked = clock()
    listed = line.run("nft", "list", "set", "netdev", tables.table(fault_id), "armed")
    left = max(parse_duration(found) for found in re.findall(r"expires (\w+)", listed))
    return asked + left, clock() + left


def _until_answered(line: Wire, limit: float) -> list[tuple[float, float, bool]]:
    """Send datagrams all the time until the limit; return when sending each began and ended, and if it was answered."""
    sent: list[tuple[float, float]] = []
    answered = set()
    with line.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((V4, HERE))
        made.settimeout(0.005)
        while (begun := clock()) < limit:
            if begun < limit - 0.5:
                made.send(str(len(sent)).encode())
                sent.append((begun, clock()))
            try:
                answered.add(int(made.recv(100)))
            except TimeoutError:
                continue
    return [(*times, number in answered) for number, times in enumerate(sent)]


def test_is_not_proven_where_nothing_is_dropped(line: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    chains = _traffic._chains
    monkeypatch.setattr(
        _traffic, "_chains", lambda way, what, where, _, *rest: chains(way, what, where, "accept", *rest)
    )
    proof = NetworkPartition.proof
    monkeypatch.setattr(NetworkPartition, "proof", lambda fault, at: replace(proof(fault, at), patience=1))
    with pytest.raises(Inconclusive, match="did not show"):
        injection("network-partition", where=line.client.name, target=V4, duration="30s").start()
