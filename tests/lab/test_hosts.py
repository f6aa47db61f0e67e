from pathlib import Path

import httpx
import yaml

from lab.hosts import HOSTS, prometheus_yml
from lab.plan import Lab
from lab.zone import PROMETHEUS


def test_no_two_hosts_share_a_name_or_a_number() -> None:
    assert len({host.name for host in HOSTS}) == len({host.number for host in HOSTS}) == len(HOSTS)


def test_no_name_of_a_host_makes_one_labs_namespace_anothers() -> None:
    names = {host.name for host in HOSTS} | {"switch"}
    assert not [(one, other) for one in names for other in names if other.endswith(f"-{one}")]


def test_prometheus_has_one_job_per_service_named_as_its_host() -> None:
    document = yaml.safe_load(prometheus_yml(Lab(scrape_interval=15.0)))
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in document["scrape_configs"]}
    assert jobs == {
        "payment-api": ["10.213.0.11:8080"],
        "payment-pooled": ["10.213.0.12:8080"],
        "payment-stale": ["10.213.0.13:8080"],
        "payment-ledger": ["10.213.0.14:8080"],
        "etcd": ["10.213.0.30:2379"],
    }
    assert document["global"] == {"scrape_interval": "15000ms", "scrape_timeout": "10s"}


def test_prometheus_runs_with_the_interval_and_the_lookback_of_the_lab(shared_lab: Lab) -> None:
    url = f"http://{shared_lab.address(PROMETHEUS)}:9090/api/v1/status/"
    flags, config = (httpx.get(url + what, timeout=10, trust_env=False).json()["data"] for what in ("flags", "config"))
    assert flags["query.lookback-delta"] == "5s"
    assert yaml.safe_load(config["yaml"])["global"]["scrape_interval"] == "1s"


def test_redis_keeps_nothing_and_etcd_keeps_its_log(shared_lab: Lab) -> None:
    written = {path.name for path in shared_lab.state.iterdir()}
    assert "dump.rdb" not in written
    assert list(Path(shared_lab.state, "etcd", "member", "wal").iterdir())
