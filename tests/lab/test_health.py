import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from lab import health
from lab.hosts import HOSTS, Host
from lab.plan import Lab
from lab.processes import inhabitants, namespaces
from lab.zone import DNS, ETCD, PAYMENT_API, REDIS, TRAFFIC

_MACHINE = 1


@pytest.fixture
def no_udp_from_dns(shared_lab: Lab) -> Iterator[None]:
    nft = ["ip", "netns", "exec", shared_lab.namespace("dns"), "nft"]
    rules = "table inet health_test {\n chain out {\n type filter hook output priority 0\n udp sport 53 drop\n }\n}\n"
    subprocess.run([*nft, "-f", "-"], input=rules, text=True, check=True)
    yield
    subprocess.run([*nft, "delete", "table", "inet", "health_test"], check=True)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: str(host.name))
def test_a_part_that_works_has_no_trouble(shared_lab: Lab, host: Host) -> None:
    assert health.trouble(host.check, shared_lab, host.number) == ""


@pytest.mark.parametrize(
    "check",
    [health.answers_dns, health.answers_redis, health.answers_payments, health.keeps_etcd, health.scrapes],
)
def test_a_place_where_nothing_listens_is_told_as_trouble(shared_lab: Lab, check: Callable[[Lab, int], str]) -> None:
    assert health.trouble(check, shared_lab, _MACHINE)


def test_dns_that_answers_by_tcp_alone_is_not_healthy(shared_lab: Lab, no_udp_from_dns: None) -> None:
    assert "timed out" in health.trouble(health.answers_dns, shared_lab, DNS)


@pytest.mark.parametrize(
    ("check", "number"),
    [
        (health.answers_redis, DNS),
        (health.answers_payments, ETCD),
        (health.keeps_etcd, PAYMENT_API),
        (health.scrapes, REDIS),
    ],
)
def test_something_else_at_a_parts_place_is_not_taken_for_it(
    shared_lab: Lab, check: Callable[[Lab, int], str], number: int
) -> None:
    assert health.trouble(check, shared_lab, number)


def test_a_service_without_customers_is_named(shared_lab: Lab) -> None:
    pids = inhabitants(namespaces([shared_lab.namespace("traffic")]).values())
    os.kill(pids[0], signal.SIGSTOP)
    try:
        _await_traffic(shared_lab, "no payments are seen at payment-api, payment-ledger, payment-pooled, payment-stale")
    finally:
        os.kill(pids[0], signal.SIGCONT)
    _await_traffic(shared_lab, "")


def test_a_service_whose_payments_fail_is_named_until_its_window_is_good(shared_lab: Lab) -> None:
    """An experiment that began then would have it for its baseline."""
    [redis, *_] = inhabitants(namespaces([shared_lab.namespace("redis-cluster")]).values())
    os.kill(redis, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 60
        while not (found := _traffic(shared_lab)).startswith("payments fail at payment-api"):
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
    finally:
        os.kill(redis, signal.SIGCONT)
    _await_traffic(shared_lab, "")


def _traffic(lab: Lab) -> str:
    return health.trouble(health.has_traffic, lab, TRAFFIC)


def _await_traffic(lab: Lab, trouble: str) -> None:
    deadline = time.monotonic() + 60
    while (found := _traffic(lab)) != trouble:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
