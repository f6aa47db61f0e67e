import time

import httpx
import pytest

from lab.plan import Lab
from lab.traffic import RATE
from lab.zone import PAYMENT_API, PAYMENT_LEDGER, PAYMENT_POOLED, PAYMENT_STALE


def _payments(lab: Lab, number: int) -> float:
    text = httpx.get(f"http://{lab.address(number)}:8080/metrics", timeout=10, trust_env=False).text
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("payment_requests_total{"))


@pytest.mark.parametrize("number", [PAYMENT_API, PAYMENT_POOLED, PAYMENT_STALE, PAYMENT_LEDGER])
def test_each_service_gets_200_requests_within_a_minute_evenly_spread(shared_lab: Lab, number: int) -> None:
    started, before = time.monotonic(), _payments(shared_lab, number)
    while _payments(shared_lab, number) < before + 200:
        assert time.monotonic() < started + 60
        time.sleep(0.05)
    took = time.monotonic() - started
    print(f"200 requests in {took:.1f} s")  # noqa: T201 - a figure to read
    assert took > 0.7 * 200 / RATE
