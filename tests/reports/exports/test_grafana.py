"""The dashboard, asked as Grafana asks: every expression of it, of a real Prometheus that scraped a real server."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from reports.cells import DAY, cells
from reports.exports.grafana import dashboard
from reports.history import RunSummary
from reports.packing import pack
from reports.record import Promise, Record
from reports.services import services
from reports.store import open_store
from tests.probes._prometheus_server import Job, running, until
from tests.reports._records import COMMITTED, HEALED, bad_at, fault, record, series, target
from tests.reports._serving import serving, token

BOARD = json.loads(dashboard())
PANELS = {panel["title"]: panel for panel in BOARD["panels"]}
NOW = time.time()


def run(name: str, days: float, service: str = "payment", **changes: Any) -> Record:
    return record(run=name, started=NOW - days * DAY, promise=Promise(service=service, objective=30.0), **changes)


RUNS = [
    run("a", 4),
    run("b", 3),
    run("c", 2, series=(series(bad_at(*range(62, 100))),)),
    run("d", 5, faults=(fault(name="etcd-latency"),)),
    run("e", 1, "orders", faults=(fault(target(hits=0)),)),
]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped what `chaosctl serve` says of these runs."""
    folder = tmp_path_factory.mktemp("grafana")
    store = f"sqlite:///{folder}/store.db"
    with open_store(store) as opened:
        opened.keep_packed([pack(each) for each in RUNS])
    shown = token(store, "read", project="")
    with serving(store) as server:
        places = folder / "targets.json"
        places.write_text(json.dumps([{"targets": [urlsplit(server.url).netloc]}]))
        job = Job("chaosctl", file=places, interval="2s", extra={"authorization": {"credentials": shown}})
        with running(folder / "prometheus", [job]) as url:
            until(lambda: asked(url, "resilience_score"), 60)
            yield url


def asked(url: str, expression: str, service: str = ".*") -> list[dict[str, Any]]:
    """Return what an expression answers, with the dashboard's variables filled in; it must be one that parses."""
    written = expression.replace("$environment", ".*").replace("$service", service)
    answer = requests.get(f"{url}/api/v1/query", params={"query": written}, timeout=30).json()
    assert answer["status"] == "success", answer
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def shown(url: str, title: str, service: str = ".*") -> dict[str, float]:
    """Return what a panel shows: its values by the labels that its legend names, or by all but where it is from."""
    (query,) = PANELS[title]["targets"]
    hidden = {"__name__", "instance", "job", "environment"}
    return {
        " ".join(value for name, value in sorted(each["metric"].items()) if name not in hidden): float(each["value"][1])
        for each in asked(url, query["expr"], service)
    }


EXPECTED: dict[str, dict[str, float]] = {
    "Worst service": {"": 0},
    "Coverage": {"": 50},
    "Runs that said nothing, 45 days": {"": 1},
    "Runs by verdict, 45 days": {"payment pass": 3, "payment fail": 1, "orders inconclusive": 1},
}


@pytest.mark.parametrize("title", EXPECTED)
def test_a_panel_shows_what_the_runs_say(prometheus: str, title: str) -> None:
    assert shown(prometheus, title) == EXPECTED[title]


def test_scores_and_bounds_are_those_of_the_cells(prometheus: str) -> None:
    found = cells(map(RunSummary.of, RUNS), NOW + 60)
    (score,) = (each.score for each in services(found, {}, "lab") if each.name == "payment")
    assert score is not None
    assert shown(prometheus, "Score of each service") == {"payment": score, "orders": 0}
    assert shown(prometheus, "Fleet") == {"": score / 2}
    bounds = {f"{key.fault} payment": cell.low for key, cell in found.items() if key.service == "payment"}
    assert shown(prometheus, "Lower bound of each fault") == bounds, "what is not known has no line"
    assert len(bounds) == 2


def test_a_table_tells_how_old_the_last_valid_runs_are(prometheus: str) -> None:
    ages = shown(prometheus, "Days since the last valid run")
    assert ages == pytest.approx({"network-dns payment": 2, "etcd-latency payment": 5}, abs=0.05)


def test_every_panel_is_among_those_that_were_asked() -> None:
    told = {"Score of each service", "Fleet", "Lower bound of each fault", "Days since the last valid run"}
    assert set(PANELS) == told | set(EXPECTED)


def test_a_service_that_is_chosen_is_the_only_one(prometheus: str) -> None:
    for title in set(PANELS) - {"Fleet"}:
        assert not any("payment" in each for each in shown(prometheus, title, "orders")), title
    assert shown(prometheus, "Score of each service", "orders") == {"orders": 0}


def test_annotations_are_the_windows_of_the_latest_faults_in_milliseconds(prometheus: str) -> None:
    for annotation, moment in zip(BOARD["annotations"]["list"], (COMMITTED, HEALED), strict=True):
        found = {each["metric"]["fault"]: float(each["value"][1]) for each in asked(prometheus, annotation["expr"])}
        assert found == {"network-dns": moment * 1000, "etcd-latency": moment * 1000}


def test_variables_offer_what_there_is(prometheus: str) -> None:
    offered = {}
    for variable in BOARD["templating"]["list"][1:]:
        ((metric, label),) = re.findall(r"^label_values\((\w+), (\w+)\)$", variable["definition"])
        place = f"{prometheus}/api/v1/label/{label}/values"
        offered[variable["name"]] = requests.get(place, params={"match[]": metric}, timeout=30).json()["data"]
    assert offered == {"environment": ["lab"], "service": ["orders", "payment"]}
