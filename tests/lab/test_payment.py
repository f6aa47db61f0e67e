import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from lab import health
from lab.plan import Lab
from lab.zone import PAYMENT_API, PAYMENT_POOLED, PAYMENT_STALE, TRAFFIC

_NUMBERS = {"payment-api": PAYMENT_API, "payment-pooled": PAYMENT_POOLED, "payment-stale": PAYMENT_STALE}
_NO_REPLIES = """
table inet payment_test {
  chain reply { type filter hook input priority 0; udp sport 53 counter drop; tcp sport 53 drop; }
}
"""


@pytest.fixture(autouse=True)
def _left_as_found(shared_lab: Lab) -> Iterator[None]:
    """Let Prometheus see payments succeed again before another test looks."""
    yield
    deadline = time.monotonic() + 60
    while trouble := health.trouble(health.has_traffic, shared_lab, TRAFFIC):
        assert time.monotonic() < deadline, trouble
        time.sleep(0.1)


@contextmanager
def _no_dns(namespace: str) -> Iterator[None]:
    nft = ["ip", "netns", "exec", namespace, "nft"]
    subprocess.run([*nft, "-f", "-"], input=_NO_REPLIES, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run([*nft, "delete", "table", "inet", "payment_test"], check=True)


def _get(lab: Lab, host: str, path: str) -> httpx.Response:
    return httpx.get(f"http://{lab.address(_NUMBERS[host])}:8080{path}", timeout=10, trust_env=False)


def _await(lab: Lab, host: str, code: int) -> None:
    """Wait until five payments in a row are answered so: what was under way before the change is over then."""
    deadline = time.monotonic() + 60
    in_a_row = 0
    while in_a_row < 5:
        assert time.monotonic() < deadline, f"{host} never settled on {code}"
        in_a_row = in_a_row + 1 if _get(lab, host, "/pay").status_code == code else 0


def _counts(lab: Lab, host: str) -> dict[str, float]:
    lines = _get(lab, host, "/metrics").text.splitlines()
    found = [line.split() for line in lines if line.startswith("payment_requests_total{")]
    return {name.split('"')[1]: float(value) for name, value in found}


@pytest.mark.parametrize(("host", "code"), [("payment-api", 503), ("payment-pooled", 200), ("payment-stale", 200)])
def test_what_becomes_of_payments_while_redis_cluster_does_not_resolve(shared_lab: Lab, host: str, code: int) -> None:
    _await(shared_lab, host, 200)
    with _no_dns(shared_lab.namespace(host)):
        _await(shared_lab, host, code)
    _await(shared_lab, host, 200)


@pytest.mark.parametrize(("host", "asks"), [("payment-pooled", False), ("payment-stale", True)])
def test_only_the_pooled_service_never_meets_the_fault(shared_lab: Lab, host: str, asks: bool) -> None:
    namespace = shared_lab.namespace(host)
    _await(shared_lab, host, 200)
    with _no_dns(namespace):
        _await(shared_lab, host, 200)
        listing = ["ip", "netns", "exec", namespace, "nft", "list", "table", "inet", "payment_test"]
        rules = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    assert ("counter packets 0 " not in rules) is asks


def test_requests_do_not_pile_up_while_they_fail(shared_lab: Lab) -> None:
    with _no_dns(shared_lab.namespace("payment-api")):
        _await(shared_lab, "payment-api", 503)
        started, before = time.monotonic(), _counts(shared_lab, "payment-api")["503"]
        while _counts(shared_lab, "payment-api")["503"] < before + 100:
            assert time.monotonic() < started + 60
            time.sleep(0.1)
    _await(shared_lab, "payment-api", 200)


@pytest.mark.parametrize("host", sorted(_NUMBERS))
def test_both_codes_are_there_from_the_start_with_a_histogram(shared_lab: Lab, host: str) -> None:
    metrics = _get(shared_lab, host, "/metrics").text
    assert set(_counts(shared_lab, host)) == {"200", "503"}
    assert "payment_request_duration_seconds_bucket{" in metrics
    assert "_created" not in metrics


def test_another_path_is_told_which_there_are(shared_lab: Lab) -> None:
    reply = _get(shared_lab, "payment-api", "/refund")
    assert (reply.status_code, reply.text) == (404, "There is /pay and /metrics.\n")
