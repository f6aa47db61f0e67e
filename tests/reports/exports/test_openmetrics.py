"""OpenMetrics, read by promtool and scraped by a real Prometheus; the dashboard asks for nothing that is not there."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import requests

from reports import sink
from reports.cells import cells
from reports.exports.grafana import dashboard
from reports.exports.openmetrics import CONTENT_TYPE, openmetrics
from reports.metrics import Metrics
from reports.services import Declared, fleet
from reports.standings import Standings
from reports.store import open_store
from tests.probes._prometheus_server import Exporter, Job, running, until
from tests.reports._nights import KEY, NOW, night, nights
from tests.reports._records import START, fault, record, target


def page() -> str:
    runs = [*nights([100.0] * 13 + [40.0, None]), night(2, service='a "quoted"\nname')]
    found = cells(runs, NOW)
    declared = {"payment": Declared(requires={"etcd-latency": 1.0}), "idle": Declared()}
    whole = fleet(found, declared, KEY.environment)
    counts = Counter((run.environment, run.service, run.verdict.value) for run in runs)
    return openmetrics([whole], found, counts, {KEY: (NOW - 90, NOW - 30)})


def test_promtool_has_nothing_to_say() -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page(), capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_real_prometheus_scrapes_it(tmp_path: Path) -> None:
    exporter = Exporter(lambda _: page())
    try:
        with running(tmp_path / "prometheus", [Job("chaosctl", [exporter])]) as url:

            def asked(query: str) -> dict[str, float]:
                found = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=5).json()["data"]["result"]
                return {
                    each["metric"].get("verdict", each["metric"]["service"]): float(each["value"][1]) for each in found
                }

            scores = until(lambda: asked("resilience_score"))
            assert scores == {"payment": 36.0, 'a "quoted"\nname': 0.0}
            assert asked("resilience_coverage_ratio")["payment"] == 0.5
            assert asked('resilience_runs{service="payment"}') == {"pass": 13, "fail": 1, "inconclusive": 1}
            assert asked("resilience_last_fault_end_timestamp_seconds") == {"payment": NOW - 30}
    finally:
        exporter.stop()


def test_no_run_is_ever_a_label_and_no_score_is_no_sample() -> None:
    text = page()
    labels = {name for found in re.findall(r"\{(.*)\}", text) for name in re.findall(r'(\w+)="', found)}
    assert labels == {"environment", "service", "fault", "verdict"}
    assert "night-" not in text
    assert 'service="idle"' not in text
    assert text.endswith("# EOF\n")
    assert "openmetrics-text" in CONTENT_TYPE


def test_a_store_answers_with_the_windows_of_its_latest_proven_faults() -> None:
    sink.finish(record())
    sink.finish(record(run="later", started=START + 1, faults=(fault(target(hits=0)),)))
    with open_store() as store:
        declared = {"lab": {"payment": Declared(requires={"etcd-latency": 1.0})}}
        text = Metrics(store, Standings(store), declared).text(START + 86400)
    assert (
        'resilience_last_fault_start_timestamp_seconds{environment="lab",fault="network-dns",service="payment"}' in text
    )
    assert 'resilience_coverage_ratio{environment="lab",service="payment"} 0.5' in text


def test_the_dashboard_asks_for_metrics_that_there_are_of_a_source_that_is_chosen() -> None:
    board = json.loads(dashboard())
    there = set(re.findall(r"# TYPE (\w+)", page()))
    asked = {
        name
        for part in (*board["panels"], *board["annotations"]["list"], *board["templating"]["list"])
        for name in re.findall(r"resilience_\w+", json.dumps(part))
    }
    assert asked <= there
    assert len(asked) >= 7
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {"${datasource}"}
    assert board["templating"]["list"][0]["type"] == "datasource"
    assert [each["useValueForTime"] for each in board["annotations"]["list"]] == [True, True]
