import subprocess

import dns.message
import dns.query
import dns.rcode
import pytest

from lab.plan import Lab
from lab.zone import DNS, records

_NAMES = sorted(records(Lab()))


def test_the_zone_is_that_of_a_payment_system() -> None:
    ours = {name.removesuffix(".svc.cluster.local") for name in _NAMES}
    pods = {f"redis-cluster-{number}.redis-cluster.payment" for number in range(3)}
    others = {"mysql.payment", "redis-cluster.other", "kubernetes.default"}
    assert ours == {"redis-cluster.payment", "payment-api.payment", *pods, *others}


@pytest.mark.parametrize("family", ["v4", "v6"])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("name", _NAMES)
def test_every_name_has_both_records_over_every_way(shared_lab: Lab, name: str, transport: str, family: str) -> None:
    server = str(shared_lab.address(DNS) if family == "v4" else shared_lab.address6(DNS))
    ask = getattr(dns.query, transport)
    found = tuple(ask(dns.message.make_query(name, kind), server, timeout=5).answer[0][0] for kind in ("A", "AAAA"))
    assert tuple(map(str, found)) == records(shared_lab)[name]


@pytest.mark.parametrize(
    ("name", "expected"), [("nobody.payment.svc.cluster.local", "NXDOMAIN"), ("example.com", "REFUSED")]
)
def test_what_is_not_in_the_zone_is_answered_here_and_asked_of_nobody(
    shared_lab: Lab, name: str, expected: str
) -> None:
    reply = dns.query.udp(dns.message.make_query(name, "A"), str(shared_lab.address(DNS)), timeout=5)
    assert dns.rcode.to_text(reply.rcode()) == expected


@pytest.mark.parametrize("name", ["redis-cluster", "redis-cluster.payment", "redis-cluster.payment.svc"])
def test_a_host_resolves_short_names_by_its_search_path(shared_lab: Lab, name: str) -> None:
    command = ["ip", "netns", "exec", shared_lab.namespace("payment-api"), "getent", "ahosts", name]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    for address in records(shared_lab)["redis-cluster.payment.svc.cluster.local"]:
        assert address in found
