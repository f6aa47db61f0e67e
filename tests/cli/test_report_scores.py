"""`chaosctl report services`, `explain`, `trends`, `compare`, `rescore` and `export` on a real store."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from defusedxml.ElementTree import fromstring
from sqlalchemy import select, update

from reports import sink
from reports.connect import writing
from reports.record import Experiment, Promise, Record, Start
from reports.retention import Ages, prune
from reports.store import open_store
from reports.tables import bodies, records
from reports.verdict import judge
from runner.cli.report import command
from runner.errors import UsageError
from runner.model import clock, iso
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


def test_a_cell_that_fails_every_night_is_told_with_no_night_to_compare(tmp_path: Path) -> None:
    (tmp_path / "chaosctl.yaml").write_text(CONFIGURATION)
    for number in range(10):
        sink.finish(aged(f"night-{number}", 10.5 - number, series=(series(bad_at(*range(70, 90))),)))
    (finding,) = told("trends")["findings"]
    assert (finding["kind"], finding["before"], len(finding["after"])) == ("failing", [], 10)
    assert finding["changed"] == []
    text = report("trends").stdout
    assert "failing. It failed in each of the last 10 nights, since" in " ".join(text.split())
    assert "before  no night without it is known" in text
    assert "changed" not in text


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


@pytest.mark.parametrize("expected", [(), ("--expect", "nosuch.yaml")])
def test_a_night_in_which_nothing_ran_is_not_green(expected: tuple[str, ...]) -> None:
    sink.finish(aged("before", 3))
    since = "export", "--since", "1d", *expected, "--format"
    suites = fromstring(report(*since, "junit").stdout)
    assert (suites.get("tests"), suites.get("errors")) == ("1", "1")
    assert report(*since, "markdown").stdout.startswith("## Chaos: nothing ran\n\n**Did not run**\n\n- ")
    told = json.loads(report(*since, "json").stdout)
    assert (told["runs"], [bool(each["why"]) for each in told["not_run"]]) == ([], [True])
    assert "started within the last 1d. See what should" in report(*since, "sarif").stderr


@pytest.fixture
def half_pruned(tmp_path: Path) -> None:
    """Two runs of long ago without their samples, one that passed and one that did not, and one of this night."""
    file = tmp_path / "good.yaml"
    file.write_text("title: t\ndescription: d\nmethod: []\n")
    sink.finish(aged("good", 41, experiment=Experiment(title="t", path=str(file))))
    sink.finish(aged("bad", 40, series=(series(bad_at(70)),)))
    sink.finish(aged("fresh", 0.1))
    with open_store() as store:
        prune(store, Ages())


@pytest.mark.usefixtures("half_pruned")
def test_pruned_runs_are_exported_by_what_is_known_of_them_still(tmp_path: Path) -> None:
    since = "export", "--since", "60d", "--expect", str(tmp_path / "good.yaml"), "--format"
    exported = {form: report(*since, form) for form in ("junit", "json", "markdown", "sarif")}
    for each in exported.values():
        assert (each.exit_code, "all that is known of: good, bad." in each.stderr) == (0, True), each.output
    suites = fromstring(exported["junit"].stdout)
    assert [(suite.get("failures"), suite.get("tests")) for suite in suites][1:] == [("0", "1"), ("1", "1")]
    assert [each.get("message", "")[:17] for each in suites.iter("failure")] == ["It came to fail, "]
    told = json.loads(exported["json"].stdout)
    assert [run["run"] for run in told["runs"]] == ["fresh"]
    assert [(run["run"], run["verdict"]) for run in told["pruned"]] == [("good", "pass"), ("bad", "fail")]
    assert "1 of 3 runs needs a look" in exported["markdown"].stdout
    assert "| **fail** | " in exported["markdown"].stdout
    assert json.loads(exported["sarif"].stdout)["runs"][0]["results"] == []


@pytest.mark.usefixtures("half_pruned")
@pytest.mark.parametrize(
    "asked", ["show good", "explain good", "compare good fresh", "compare fresh good", "export --format html good"]
)
def test_a_pruned_run_is_refused_with_what_is_known_of_it(asked: str) -> None:
    raised = report(*asked.split()).exception
    assert isinstance(raised, UsageError)
    day = iso(aged("good", 41).started)[:10]
    assert f"a roll-up of it remains, and its verdict: pass, 100 of 100, started {day} " in raised.message


@pytest.mark.usefixtures("fortnight")
def test_a_trend_is_told_though_a_night_it_compares_was_pruned() -> None:
    with open_store() as store:
        prune(store, Ages(samples=2.1 * DAY))
    (finding,) = told("trends")["findings"]
    assert (finding["kind"], finding["changed"]) == ("regression", [])


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
    text = report("services").stdout
    assert "    0  never valid, 1 said nothing: `chaosctl report explain orders/network-dns` says why\n" in text
    assert "    0  expired\n" in text


def test_names_with_slashes_and_runs_of_an_older_formula_are_explained_as_they_were_stored() -> None:
    lost = series(bad_at(175), "no write is lost", hard=False, invariant=True)
    made = aged("old", 1, series=(series(), lost), events=events(), promise=Promise(service="team/pay"))
    sink.finish(made.model_copy(update={"judgement": judge(made, "1")}))
    assert told("explain", "old")["score"] == 100
    assert told("explain", "team/pay")["subject"] == "team/pay"
    assert told("explain", "team/pay/network-dns")["subject"] == "team/pay/network-dns"


def test_a_damaged_record_is_named_and_keeps_no_other_from_being_judged() -> None:
    for name in ("a", "b", "c"):
        sink.finish(aged(name, 1))
    with open_store() as store, writing(store.engine) as connection:
        address = connection.scalar(select(records.c.address).where(records.c.run == "b"))
        connection.execute(update(bodies).where(bodies.c.address == address).values(body=b"torn"))
    result = report("rescore", "--output", "json")
    assert result.exit_code == 4
    assert [each["run"] for each in json.loads(result.stdout)["rescored"]] == ["a", "c"]
    assert "Not judged: The record of run b cannot be read" in result.stderr


def test_a_formula_that_there_is_not_is_refused_where_there_is_no_run_too() -> None:
    result = report("rescore", "--formula", "9", "--output", "json")
    assert isinstance(result.exception, UsageError)
    assert result.stdout == ""
