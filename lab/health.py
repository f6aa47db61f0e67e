"""Whether each part of the lab does its work: every check asks for real, and says what was wrong."""

import socket
from collections.abc import Callable
from typing import Any

import dns.exception
import dns.message
import dns.query
import httpx

from lab.plan import Lab
from lab.resp import exchange
from lab.zone import CONTROL, PROMETHEUS

__all__ = [
    "answers_dns",
    "answers_payments",
    "answers_redis",
    "has_traffic",
    "keeps_etcd",
    "payments",
    "query",
    "scrapes",
    "trouble",
]

_PATIENCE = 1.0
# One for all checks, because making one takes longer than asking; it keeps no connection, because labs come and go.
_HTTP = httpx.Client(timeout=_PATIENCE, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def answers_dns(lab: Lab, number: int) -> str:
    """Ask for A and AAAA over UDP and TCP, by IPv4 and IPv6."""
    for server in (str(lab.address(number)), str(lab.address6(number))):
        for kind in ("A", "AAAA"):
            for transport in (dns.query.udp, dns.query.tcp):
                reply = transport(dns.message.make_query(CONTROL, kind), server, timeout=_PATIENCE)
                if not reply.answer:
                    return f"{server} has no {kind} record of {CONTROL} ({transport.__name__})"
    return ""


def answers_redis(lab: Lab, number: int) -> str:
    """Send PING."""
    with socket.create_connection((str(lab.address(number)), 6379), _PATIENCE) as connection:
        reply = exchange(connection, "PING")
    return "" if reply == "+PONG" else f"PING was answered with {reply!r}"


def answers_payments(lab: Lab, number: int) -> str:
    """Make one payment."""
    status = _get(f"http://{lab.address(number)}:8080/pay").status_code
    return "" if status == 200 else f"a payment was answered with {status}"


def keeps_etcd(lab: Lab, number: int) -> str:
    """Ask etcd whether it has a leader and can write."""
    reply = _get(f"http://{lab.address(number)}:2379/health")
    return "" if reply.json()["health"] == "true" else f"/health says {reply.text.strip()}"


def scrapes(lab: Lab, number: int) -> str:
    """Ask Prometheus whether all its targets are up."""
    targets = query(_prometheus(lab, number), "up")
    down = [series["metric"]["job"] for series in targets if series["value"][1] != "1"]
    if not targets:
        return "no target was scraped yet"
    return f"these targets are down: {', '.join(sorted(down))}" if down else ""


def has_traffic(lab: Lab, _number: int) -> str:
    """Ask Prometheus whether the successful payments of all services become more."""
    return payments(_prometheus(lab, PROMETHEUS), lab.window)


def payments(prometheus: str, window: float) -> str:
    """Ask that Prometheus whether the successful payments of all services become more, and no others do.

    An experiment measures how often they are scraped, for which it takes three scrapes, and begins with what the last
    window shows: payments that failed while the lab started would be its baseline.
    """
    if failing := query(prometheus, f'rate(payment_requests_total{{code!="200"}}[{window:.0f}s]) > 0'):
        return f"payments fail at {', '.join(sorted({series['metric']['job'] for series in failing}))}"
    good = 'payment_requests_total{code="200"}'
    rates = query(prometheus, f"rate({good}[{window:.0f}s]) > 0 and count_over_time({good}[1m]) >= 3")
    rising = {series["metric"]["job"] for series in rates}
    still = {"payment-api", "payment-pooled", "payment-stale", "payment-ledger"} - rising
    return f"no payments are seen at {', '.join(sorted(still))}" if still else ""


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    """Return the series that a Prometheus finds now; raises httpx.HTTPError."""
    reply = _get(f"{prometheus}/api/v1/query", query=expression)
    found: list[dict[str, Any]] = reply.raise_for_status().json()["data"]["result"]
    return found


def trouble(check: Callable[[Lab, int], str], lab: Lab, number: int) -> str:
    """Return what a check found wrong, an exception of its client included, or nothing."""
    try:
        return check(lab, number)
    except (OSError, EOFError, dns.exception.DNSException, httpx.HTTPError, ValueError, KeyError) as error:
        return str(error) or type(error).__name__


def _get(url: str, **parameters: str) -> httpx.Response:
    return _HTTP.get(url, params=parameters)


def _prometheus(lab: Lab, number: int) -> str:
    return f"http://{lab.address(number)}:9090"
