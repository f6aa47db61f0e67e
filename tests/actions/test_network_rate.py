"""network-rate, on two hosts of a test's own: tbf and ifb are all that it takes."""

import socket

import pytest

from actions.network_rate import NetworkRate
from runner.model import clock
from runner.parameters import build
from tests._wire import PORTS, V4, V6, Wire, faulted, within

HERE, ELSEWHERE = PORTS
_RATE = 2e6
_SENT = 300_000


def rate(line: Wire, address: str, port: int) -> float:
    """Return at how many bits a second the server takes what the client sends over TCP."""
    with line.client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(60)
        made.connect((address, port))
        begun = clock()
        made.sendall(bytes(_SENT))
        made.shutdown(socket.SHUT_WR)
        assert made.recv(10) == b"all"
        return _SENT * 8 / (clock() - begun)


@pytest.mark.parametrize("address", [V4, V6])
def test_limits_what_goes_there_and_nothing_else(line: Wire, address: str) -> None:
    with faulted(line, "network-rate", target=address, port=HERE, rate="2mbit") as made:
        within(lambda: rate(line, address, HERE), 0.8 * _RATE, _RATE)
        assert rate(line, address, ELSEWHERE) > 3 * _RATE
        assert len(line.pings(address, 3)) == 3
    assert made.hits
    assert rate(line, address, HERE) > 3 * _RATE


def test_limits_what_comes_from_there(line: Wire) -> None:
    with faulted(line, "network-rate", target=V4, direction="in", rate="512kbit"):
        times = line.pings(V4, 3, 0.2)
        assert len(times) == 3
        assert rate(line, V4, HERE) > _RATE, "what goes there is not limited; what comes is acknowledgements alone"


def test_the_kernels_own_default_stays(line: Wire) -> None:
    """A link of two queues has mq at handle 0 with the default below it, as network cards have."""
    line.run("ip", "link", "add", "name", "card", "numtxqueues", "2", "type", "ifb")
    try:
        line.run("ip", "link", "set", "card", "up")
        before = line.run("tc", "-json", "qdisc", "show", "dev", "card")
        assert '"kind":"mq","handle":"0:"' in before
        fault = build(NetworkRate, {"target": V4, "rate": "1mbit", "interface": "card"})
        steps = fault.steps(line.client, "card", 60)
        for command in (*steps.inject, *steps.undo, *steps.undo):
            line.client.run(command)
            assert line.run("tc", "-json", "qdisc", "show", "dev", "card") == before
    finally:
        line.run("ip", "link", "del", "card")
