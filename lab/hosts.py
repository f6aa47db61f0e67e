"""The hosts of the lab: one process each, with its start command, its health check and its time limit."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lab import health
from lab.plan import Lab
from lab.zone import (
    DNS,
    ETCD,
    PAYMENT_API,
    PAYMENT_LEDGER,
    PAYMENT_POOLED,
    PAYMENT_STALE,
    PROMETHEUS,
    REDIS,
    TRAFFIC,
    records,
)

__all__ = ["ETCD_HOST", "HOSTS", "Host", "prometheus_yml"]

_PROGRAM = (sys.executable, "-P", "-m")


@dataclass(frozen=True)
class Host:
    """One host: `start` is its process, `check` says what is wrong with it.

    Without `start` it is a part that runs on other hosts, and has no namespace of its own.
    It has `limit` seconds to become healthy, and the time of so many `scrapes` of Prometheus besides.
    `namespace` is the Kubernetes namespace it stands for; without one it is not offered to faults.
    `metrics` is the port Prometheus scrapes, where there is one. On the way up it is looked at `every` so many seconds.
    """

    name: str
    number: int
    start: Callable[[Lab], tuple[str, ...]] | None
    check: Callable[[Lab, int], str]
    limit: float = 15.0
    scrapes: int = 0
    namespace: str = ""
    metrics: int = 0
    every: float = 0.1


def _dnsmasq(lab: Lab) -> tuple[str, ...]:
    """Return dnsmasq without upstream or other source: a name that is not in the zone does not exist, at once."""
    zone = [f"--host-record={name},{','.join(addresses)}" for name, addresses in records(lab).items()]
    isolated = ("--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/cluster.local/", "--cache-size=0")
    return ("dnsmasq", "--keep-in-foreground", "--pid-file=", "--log-facility=-", *isolated, *zone)


def _redis(_lab: Lab) -> tuple[str, ...]:
    memory_only = ("--save", "", "--appendonly", "no")
    return ("redis-server", "--bind", "0.0.0.0", "::", "--protected-mode", "no", *memory_only)


def _etcd(lab: Lab) -> tuple[str, ...]:
    client = f"http://{lab.address(ETCD)}:2379"
    listen = ("--listen-client-urls=http://[::]:2379", "--listen-peer-urls=http://127.0.0.1:2380")
    return ("etcd", "--name=etcd", "--data-dir=etcd", f"--advertise-client-urls={client}", "--logger=zap", *listen)


def _prometheus(lab: Lab) -> tuple[str, ...]:
    files = ("--config.file=prometheus.yml", "--storage.tsdb.path=prometheus", "--storage.tsdb.retention.time=1d")
    return ("prometheus", *files, f"--query.lookback-delta={lab.window:.0f}s", "--log.level=warn")


def _payment(name: str, number: int, resolves: str) -> Host:
    argv = (*_PROGRAM, "lab.payment", resolves)
    return Host(name, number, lambda _lab: argv, health.answers_payments, namespace="payment", metrics=8080)


def _ledger(lab: Lab) -> tuple[str, ...]:
    return (*_PROGRAM, "lab.payment", "ledger", str(lab.address(ETCD)))


def _traffic(lab: Lab) -> tuple[str, ...]:
    urls = [
        f"http://{lab.address(number)}:8080/pay"
        for number in (PAYMENT_API, PAYMENT_POOLED, PAYMENT_STALE, PAYMENT_LEDGER)
    ]
    return (*_PROGRAM, "lab.traffic", *urls)


ETCD_HOST = Host("etcd", ETCD, _etcd, health.keeps_etcd, namespace="etcd", metrics=2379)

# Prometheus is started first: it makes its first scrape no sooner than five seconds after its start.
HOSTS = (
    Host("prometheus", PROMETHEUS, _prometheus, health.scrapes, scrapes=3),
    Host("dns", DNS, _dnsmasq, health.answers_dns),
    Host("redis-cluster", REDIS, _redis, health.answers_redis, namespace="data"),
    ETCD_HOST,
    _payment("payment-api", PAYMENT_API, "always"),
    _payment("payment-pooled", PAYMENT_POOLED, "once"),
    _payment("payment-stale", PAYMENT_STALE, "stale"),
    Host("payment-ledger", PAYMENT_LEDGER, _ledger, health.answers_payments, namespace="ledger", metrics=8080),
    Host("traffic", TRAFFIC, _traffic, health.has_traffic, scrapes=3),
)


def prometheus_yml(lab: Lab) -> str:
    """Return the configuration of Prometheus as JSON, which is YAML too: one job per scraped host, named as it is."""
    interval = f"{lab.scrape_interval * 1000:.0f}ms"
    jobs: list[Mapping[str, object]] = [
        {"job_name": host.name, "static_configs": [{"targets": [f"{lab.address(host.number)}:{host.metrics}"]}]}
        for host in HOSTS
        if host.metrics
    ]
    timing = {"scrape_interval": interval, "scrape_timeout": interval if lab.scrape_interval < 10 else "10s"}
    return json.dumps({"global": timing, "scrape_configs": jobs}, indent=2)
