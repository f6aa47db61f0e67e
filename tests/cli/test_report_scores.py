"""`chaosctl report services`, `explain`, `trends`, `compare`, `rescore` and `export` on a real store."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from defusedxml.ElementTree import fromstring

from reports import sink
from reports.record import Experiment, Promise, Record, Start
from runner.cli.report import command
from runner.errors import UsageError
from runner.model import clock
from tests.reports._records import EXPERIMENT, ORIGIN, bad_at, events, fault, record, series, target

DAY = 86400.0
CONFIGURATION = """
default: lab
environments:
  lab:
    kind: lab
    services:
      payment: {criticality: 2, owner: team-payments, requires: {network-dns: 1, etcd-latency: 3}}
"""


def report(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def told(*arguments: str) -> Any:
    result = report(*arguments, "--output", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def aged(run: str, days: float, **changes: Any) -> Record:
    """Return a run of so many days ago, its moments and all."""
    plain, back = record(run=run, **changes), clock() - days * DAY
    by = back - plain.started

    def moved(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: moved(entry, key) for key, entry in value.items()}
        if isinstance(value, list):
            return [moved(entry, name) for entry in value]
        return value + by if isinstance(value, float) and value > 1e9 else value

    return Record.model_validate(moved(plain.model_dump(mode="json", by_alias=True)))


@pytest.fixture
def fortnight(tmp_path: Path) -> None:
    """14 nights of payment: twelve green, then another image and two red ones."""
    (tmp_path / "chaosctl.yaml").write_text(CONFIGURATION)
    for number in range(14):
        image = "pay:1" if number < 12 else "pay:2"
        weak = (series(bad_at(*range(70, 90))),) if number >= 12 else (series(),)
        origin = ORIGIN.model_copy(update={"labels": {"image": image}})
        sink.finish(aged(f"night-{number:02}", 14.5 - number, series=weak, origin=origin))


@pytest.mark.usefixtures("fortnight")
def test_services_show_what_is_required_what_was_never_run_and_who_owns_it() -> None:
    found = told("services")
    (service,) = found["services"]
    assert (service["service"], service["owner"], service["coverage"]) == ("payment", "team-payments", 0.5)
    assert [(part["fault"], part["state"]) for part in service["required"]] == [
        ("etcd-latency", "never run"),
        ("network-dns", "covered"),
    ]
    low = service["required"][1]["counts"]
    assert service["score"] == found["score"] == round(low / 4, 1)
    text = report("services").stdout
    assert "etcd-latency      0  never run" in text
    assert "the worst is payment" in text


@pytest.mark.usefixtures("fortnight")
def test_a_regression_is_told_with_its_nights_and_the_image_that_changed() -> None:
    (finding,) = told("trends")["findings"]
    assert (finding["kind"], finding["before"][-1], finding["after"]) == (
        "regression",
        "night-11",
        ["night-12", "night-13"],
    )
    assert finding["changed"] == [{"what": "image", "before": "pay:1", "after": "pay:2"}]
    assert "changed image: pay:1 -> pay:2" in report("trends").stdout


@pytest.mark.usefixtures("fortnight")
def test_runs_cells_and_services_are_explained_by_their_names() -> None:
    assert told("explain", "payment")["levers"][0]["gain"] == 75.0
    assert told("explain", "payment/network-dns")["score"] == told("services")["services"][0]["required"][1]["counts"]
    assert told("explain", "last")["subject"] == "night-13"
    text = report("explain", "night-13").stdout
    for heading in ("Terms", "What it rests on", "What would raise it most"):
        assert f"\n{heading}\n" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert isinstance(report("explain", "payment/node").exception, UsageError)
    assert isinstance(report("explain", "nothing").exception, UsageError)


@pytest.mark.usefixtures("fortnight")
def test_two_runs_are_compared() -> None:
    found = told("compare", "night-11", "night-12")
    assert {change["what"] for change in found["outcome"]} >= {"verdict", "score", "reason"}
    assert found["around"] == [{"what": "image", "before": "pay:1", "after": "pay:2"}]
    assert "image  pay:1 -> pay:2" in report("compare", "night-11", "night-12").stdout


@pytest.mark.usefixtures("fortnight")
def test_a_whole_store_is_judged_again_by_either_formula() -> None:
    assert report("rescore").stdout.splitlines()[-1] == "14 runs judged again: 14 the same, 0 otherwise."
    assert {each["now"]["formula"] for each in told("rescore", "--formula", "1")["rescored"]} == {"1"}
    lost = series(bad_at(175), "no write is lost", hard=False, invariant=True)
    sink.finish(record(run="lost", series=(series(), lost), events=events()))
    result = report("rescore", "lost", "--formula", "1")
    assert result.exit_code == 1
    assert "stored as fail, 0 of 100, formula 2; now pass, 100 of 100, formula 1" in result.stdout
    assert isinstance(report("rescore", "--formula", "9").exception, UsageError)


def test_junit_is_red_for_what_was_expected_and_did_not_run(tmp_path: Path) -> None:
    here = tmp_path / "ran.yaml"
    here.write_text("title: t\ndescription: d\nmethod: []\n")
    other, broken = tmp_path / "other.yaml", tmp_path / "broken.yaml"
    other.write_text(here.read_text())
    broken.write_text("title: t\nmethods: []\n")
    sink.finish(aged("ran", 0.1, experiment=Experiment(title="t", path=str(here))))
    sink.begin(Start(run="begun", experiment=EXPERIMENT, origin=ORIGIN, started=clock() - 60))
    expected = [part for path in (here, other, broken) for part in ("--expect", str(path))]
    suites = fromstring(report("export", "--format", "junit", "--since", "1d", *expected).stdout)
    wrong = {case.get("classname") for case in suites.iter("testcase") if case.find("error") is not None}
    assert wrong == {str(other), str(broken), EXPERIMENT.title}
    results = json.loads(report("export", "--format", "sarif", "ran", *expected).stdout)["runs"][0]["results"]
    assert [(each["ruleId"], each["locations"][0]["physicalLocation"].get("region")) for each in results] == [
        ("did-not-run", None),
        ("invalid-file", {"startLine": 2}),
    ]


@pytest.mark.usefixtures("fortnight")
def test_every_format_is_written(tmp_path: Path) -> None:
    for form, part in {
        "json": '"not_run"',
        "html": "<!doctype html>",
        "markdown": "regression of payment/network-dns",
        "openmetrics": 'resilience_coverage_ratio{environment="lab",service="payment"} 0.5',
        "grafana": '"uid": "${datasource}"',
    }.items():
        assert report("export", "--format", form, "--out", str(tmp_path / "out")).exit_code == 0
        assert part in (tmp_path / "out").read_text()


def test_a_cell_that_expired_is_known_though_it_is_out_of_the_window() -> None:
    sink.finish(aged("old", 60))
    sink.finish(aged("unmet", 1, promise=Promise(service="orders"), faults=(fault(target(hits=0)),)))
    states = {each["service"]: each["required"][0]["state"] for each in told("services")["services"]}
    assert states == {"payment": "expired", "orders": "never valid"}
