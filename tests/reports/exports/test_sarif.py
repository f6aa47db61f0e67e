"""SARIF: files at fault, at their lines."""

import json

from reports.exports.sarif import FileFinding, sarif, sarif_findings
from reports.record import Problem
from tests.reports._records import bad_at, record, series


def test_a_file_at_fault_is_named_with_its_line() -> None:
    wrong = Problem(kind="error", message="x.yaml:4: method: no list.", file="experiments/x.yaml", line=4)
    log = json.loads(sarif(sarif_findings([record(problem=wrong)]), "1.0"))
    (run,) = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["tool"]["driver"]["name"] == "chaosctl"
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "invalid-file"
    place = result["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("experiments/x.yaml", 4)


def test_of_a_weakness_of_the_service_no_file_is_at_fault() -> None:
    weak = record(series=(series(bad_at(70)),))
    assert sarif_findings([weak, record(), record(problem=Problem(kind="aborted", message="Stopped."))]) == []
    assert json.loads(sarif([], "1.0"))["runs"][0]["results"] == []


def test_a_file_as_a_whole_has_no_line() -> None:
    (result,) = json.loads(sarif([FileFinding("did-not-run", "It did not run.", "x.yaml")], "1"))["runs"][0]["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


def test_a_file_is_named_by_a_uri() -> None:
    (result,) = json.loads(sarif([FileFinding("did-not-run", "No.", "my runs/a#1.yaml")], "1"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20runs/a%231.yaml"
