"""Questions asked all at once: who is silent or refuses keeps nobody else waiting, over either transport."""

import pytest

from probes._questions import Question, ask_all
from tests._network import FULL, SERVER_V4, SERVER_V6, Network

DROPPED = (
    "add table inet t; add chain inet t o { type filter hook output priority 0; }; add rule inet t o ip6 daddr %s drop"
)


@pytest.fixture
def silent(net: Network) -> Network:
    """The same network, with a server whose second address nobody hears from."""
    net.run("nft", DROPPED % SERVER_V6)
    return net


def test_each_gets_its_own_answer_and_waits_for_no_other(silent: Network) -> None:
    ways = [Question(FULL, server, transport) for server in (SERVER_V6, SERVER_V4) for transport in ("udp", "tcp")]
    got = dict(ask_all(silent.client, ways, 3.0))
    assert [got[way].outcome for way in ways if way.server == SERVER_V4] == ["NOERROR", "NOERROR"]
    assert max(got[way].seconds for way in ways if way.server == SERVER_V4) < 2.0, "not after the others' three seconds"
    assert [got[way].outcome for way in ways if way.transport == "tcp"] == ["timeout", "NOERROR"]
    assert got[ways[0]].outcome in ("timeout", "EPERM"), "a dropped datagram fails when it is sent"


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_nobody_at_the_port_is_a_refusal(net: Network, transport: str) -> None:
    [(_, answer)] = ask_all(net.client, [Question(FULL, "127.0.0.1", transport)])
    assert (answer.outcome, answer.addresses) == ("refused", 0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_addresses_of_the_kind_that_was_asked_for_are_counted(net: Network, transport: str) -> None:
    [(_, answer)] = ask_all(net.client, [Question(FULL, SERVER_V4, transport, "AAAA")])
    assert (answer.outcome, answer.addresses) == ("NOERROR", 1)
    assert 0 < answer.seconds < 2


def test_query_that_is_dropped_leaves_nothing_that_keeps_the_namespace(net: Network) -> None:
    net.run("nft", DROPPED.replace("ip6 daddr %s", "tcp dport 53 tcp flags & psh == psh"))
    [(_, answer)] = ask_all(net.client, [Question(FULL, SERVER_V4, "tcp")], 0.5)
    assert answer.outcome == "timeout"
    assert net.run("ss", "-Htan", "dport = :53") == ""
