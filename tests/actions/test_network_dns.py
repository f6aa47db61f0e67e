"""network-dns on real nft, a real DNS server and real resolvers."""

import re
import time

import pytest

from runner.errors import Inconclusive, UsageError
from runner.model import Command, Sight, clock
from tests._inject import healed, injected, injection
from tests._network import FULL, SERVER_V4, SERVER_V6, ZONE, Network

MODES = ["timeout", "refused", "servfail", "nxdomain"]
SEEN_BY_DIG = {
    "timeout": "no servers could be reached",
    "refused": "no servers could be reached",
    "servfail": "status: SERVFAIL",
    "nxdomain": "status: NXDOMAIN",
}


def on(net: Network) -> str:
    return net.client.name


def mixed_case(name: str) -> str:
    return "".join(letter.upper() if position % 2 else letter for position, letter in enumerate(name))


@pytest.mark.parametrize("mode", MODES)
def test_fault_proves_itself_and_ends_at_its_deadline(net: Network, mode: str) -> None:
    net.resolve_by([SERVER_V4, SERVER_V6])
    made = injected("network-dns", target="redis-cluster", mode=mode, where=on(net), duration="2s")
    made.wait()
    made.finish()
    [course] = made.courses
    assert [look.sight for look in (course.before, course.during, course.after) if look] == [
        Sight.ABSENT,
        Sight.PRESENT,
        Sight.ABSENT,
    ]
    assert course.ended_how == "deadline"
    account = course.account()
    assert account["committed"] <= account["effective"] < account["deadline"]
    assert account["deadline"] - 0.05 <= account["ended"] <= account["healed"]
    ways = course.before.evidence["ways"] if course.before else []
    assert {(way["transport"], way["server"]) for way in ways} == {
        (transport, server) for transport in ("udp", "tcp") for server in (SERVER_V4, SERVER_V6)
    }


@pytest.mark.parametrize("mode", MODES)
def test_only_the_name_is_taken_away(net: Network, mode: str) -> None:
    made = injected("network-dns", target="redis-cluster", mode=mode, where=on(net), duration="60s")
    ways = [(transport, f"@{server}") for transport in ("+notcp", "+tcp") for server in (SERVER_V4, SERVER_V6)]
    forms = [(name, rdtype) for name in (FULL, FULL.upper(), mixed_case(FULL)) for rdtype in ("A", "AAAA")]
    for question, answer in net.dig_all([(*way, *form) for way in ways for form in forms]).items():
        assert SEEN_BY_DIG[mode] in answer, question
    others = [name for name in ZONE if name != FULL]
    for question, answer in net.dig_all([(*way, name) for way in ways for name in others]).items():
        assert "status: NOERROR" in answer, question
    healed(made)
    for question, answer in net.dig_all([(*way, FULL) for way in ways]).items():
        assert "status: NOERROR" in answer, question


@pytest.mark.parametrize("mode", MODES)
def test_programs_fail_to_resolve_whichever_form_they_ask_for(net: Network, mode: str) -> None:
    """glibc expands names by the search path; getent has nothing to show when all of them fail."""
    forms = ["redis-cluster", "redis-cluster.payment", "redis-cluster.payment.svc", FULL, f"{FULL}."]
    assert all(net.getent_all(forms).values())
    made = injected("network-dns", target="redis-cluster", mode=mode, where=on(net), duration="60s")
    assert not any(net.getent_all(forms).values())
    assert all(net.getent_all(["mysql", "redis-cluster.other", "redis-cluster-0.redis-cluster"]).values())
    healed(made)


def test_timeout_takes_as_long_as_the_resolver_waits(net: Network) -> None:
    """Dropping the query instead of the reply would give the sender EPERM at once, which is no timeout."""
    made = injected("network-dns", target="redis-cluster", where=on(net), duration="60s")
    begun = time.monotonic()
    assert not net.run("getent", "hosts", "redis-cluster", check=False)
    assert time.monotonic() - begun >= 1.0
    healed(made)


def test_refused_leaves_no_connection_open_at_the_server(net: Network) -> None:
    """A server that keeps refused connections open serves nobody in the end: dnsmasq takes twenty."""
    made = injected("network-dns", target="redis-cluster", mode="refused", where=on(net), duration="60s")
    net.dig_all([("+tcp", f"@{SERVER_V4}", FULL, f"+padding={size}") for size in range(25)])
    assert "status: NOERROR" in net.dig("+tcp", f"@{SERVER_V4}", "mysql.payment.svc.cluster.local")
    assert net.run("ss", "-tnH", "state", "established", "sport = :53", on=net.server) == ""
    healed(made)


@pytest.mark.parametrize("mode", MODES)
def test_wildcard_takes_what_is_one_label_below(net: Network, mode: str) -> None:
    made = injected("network-dns", target="*.redis-cluster", mode=mode, where=on(net), duration="60s")
    for pod in ("redis-cluster-0", "redis-cluster-10"):
        assert SEEN_BY_DIG[mode] in net.dig(f"@{SERVER_V4}", f"{pod}.{FULL}")
    assert "status: NOERROR" in net.dig(f"@{SERVER_V4}", FULL)
    assert "status: NOERROR" in net.dig(f"@{SERVER_V4}", "mysql.payment.svc.cluster.local")
    healed(made)


@pytest.mark.parametrize("mode", MODES)
def test_longest_names_are_taken_away_and_their_neighbours_are_not(net: Network, mode: str) -> None:
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    neighbour = longest[:-1] + "e"
    assert len(longest) == 253
    net.resolve_by([SERVER_V6], search="")
    for server in net._servers:
        server.terminate()
        server.wait(10)
    net.serve({longest: "10.1.1.1", neighbour: "10.1.1.2"}, net.server, "--no-resolv", "--local=/#/", "--cache-size=0")
    made = injected("network-dns", target=longest, mode=mode, where=on(net), duration="60s", control=neighbour)
    for transport in ("+notcp", "+tcp"):
        assert SEEN_BY_DIG[mode] in net.dig(transport, f"@{SERVER_V6}", longest)
        assert "status: NOERROR" in net.dig(transport, f"@{SERVER_V6}", neighbour)
    healed(made)


def test_count_is_the_workloads_own(net: Network) -> None:
    made = injected("network-dns", target="redis-cluster", mode="servfail", where=on(net), duration="60s")
    for _ in range(7):
        net.dig(f"@{SERVER_V4}", FULL)
        net.dig(f"@{SERVER_V4}", "mysql.payment.svc.cluster.local")
    assert healed(made).hits == 7


def test_without_a_workload_the_count_is_zero(net: Network) -> None:
    made = injected("network-dns", target="redis-cluster", mode="refused", where=on(net), duration="60s")
    assert healed(made).hits == 0


def test_forwarder_inside_the_target_is_not_the_workload(net: Network) -> None:
    """What a local forwarder asks upstream on behalf of a query is that query again, and for our own probe, ours."""
    net.serve({}, net.client, "--no-resolv", f"--server={SERVER_V4}", "--cache-size=0", "--listen-address=127.0.0.1")
    net.resolve_by(["127.0.0.1"])
    made = injected("network-dns", target="redis-cluster", mode="servfail", where=on(net), duration="60s")
    for _ in range(3):
        net.dig("@127.0.0.1", FULL)
    assert healed(made).hits == 3


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a" * 64, "64 bytes"),
        (".".join(["a" * 63] * 4), "255 bytes"),
        ("redis cluster", "not one DNS can hold"),
        ("-redis", "not one DNS can hold"),
        ("redis..payment", "not one DNS can hold"),
        ("redis.*.payment", "not one DNS can hold"),
        ('redis"; drop', "not one DNS can hold"),
        ("", "not a DNS name"),
        (".", "not a DNS name"),
        ("bücher", "xn--bcher-kva"),
    ],
)
def test_names_that_dns_cannot_hold_are_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=re.escape(reason)):
        injection("network-dns", target=name, where="local")


def test_name_that_does_not_resolve_is_nothing_to_take_away(net: Network) -> None:
    made = injection("network-dns", target="nowhere", where=on(net), duration="60s")
    with pytest.raises(Inconclusive, match=r"nowhere does not resolve there even without the fault: .* gives NXDOMAIN"):
        made.start()


def test_control_name_that_does_not_resolve_is_refused(net: Network) -> None:
    made = injection(
        "network-dns", target="redis-cluster", control="nowhere.cluster.local", where=on(net), duration="60s"
    )
    with pytest.raises(Inconclusive, match=r"control name nowhere\.cluster\.local gets NXDOMAIN"):
        made.start()


def test_fault_that_somebody_flushes_is_noticed(net: Network) -> None:
    made = injected("network-dns", target="redis-cluster", mode="servfail", where=on(net), duration="4s")
    net.run("nft", "flush", "ruleset")
    made.wait()
    made.finish()
    [course] = made.courses
    assert course.ended_how == "early"
    assert course.account()["ended"] < course.account()["deadline"] - 1


def test_nothing_of_others_is_touched(net: Network) -> None:
    net.run("nft", "add", "table", "inet", "theirs")
    net.run("nft", "add chain inet theirs input { type filter hook input priority -150; }")
    net.run("nft", "add rule inet theirs input udp sport 53 counter accept")
    before = re.sub(r"packets \d+ bytes \d+", "", net.run("nft", "list", "ruleset"))
    healed(injected("network-dns", target="redis-cluster", mode="servfail", where=on(net), duration="60s"))
    assert re.sub(r"packets \d+ bytes \d+", "", net.run("nft", "list", "ruleset")) == before


def test_table_says_of_itself_what_it_is(net: Network) -> None:
    made = injected("network-dns", target="redis-cluster", mode="servfail", where=on(net), duration="60s")
    listing = net.client.run(Command(("nft", "list", "table", "inet", f"chaos_{made.id}")))
    assert 'comment "chaosctl network-dns until 20' in listing
    assert made.deadline == pytest.approx(clock() + 60, abs=10)
    healed(made)
