"""SLOs as experiments declare them: inline, and in files of OpenSLO and Sloth."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runner.errors import InvalidFile, UsageError
from runner.experiment import Extension, experiment_hash, extension
from runner.slo import Events, Slo, resolved

OPENSLO = """
apiVersion: openslo/v1
kind: Service
metadata: {name: web}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  service: web
  timeWindow: [{duration: 28d, isRolling: true}]
  indicator:
    spec:
      ratioMetric:
        counter: true
        good: {metricSource: {type: Prometheus, spec: {query: 'sum(rate(http_requests_total{code=~"2.."}[5m]))'}}}
        total: {metricSource: {type: Prometheus, spec: {query: 'sum(rate(http_requests_total[5m]))'}}}
  objectives: [{target: 0.995}]
"""
SLOTH = """
version: prometheus/v1
service: web
slos:
  - name: availability
    objective: 99.9
    sli:
      events:
        error_query: sum(rate(http_requests_total{job="web",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_requests_total{job="web"}[{{ .window }}]))
  - name: latency
    objective: 95
    sli: {events: {error_query: 'sum(rate(slow_total[{{.window}}]))', total_query: 'sum(rate(all_total[{{.window}}]))'}}
"""
SLOTH_CRD = """
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: web}
spec:
  service: web
  slos:
    - name: availability
      objective: 99.9
      sli: {events: {errorQuery: 'rate(bad_total[{{.window}}])', totalQuery: 'rate(all_total[{{.window}}])'}}
"""
OPENSLO_BY_REFERENCE = """
apiVersion: openslo/v1
kind: SLO
metadata: {name: availability}
spec:
  timeWindow: [{duration: 4w, isRolling: true}]
  indicatorRef: requests
  objectives:
    - {displayName: strict, target: 0.999}
    - {displayName: loose, target: 0.99, indicatorRef: slow}
    - {target: 0.95}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: slow}
spec: {thresholdMetric: {metricSource: {spec: {query: 'histogram_quantile(0.99, x)'}}}}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: requests}
spec:
  ratioMetric:
    bad: {metricSource: {spec: {query: 'rate(bad_total[5m])'}}}
    total: {metricSource: {spec: {query: 'rate(all_total[5m])'}}}
"""
ONE_OBJECTIVE = OPENSLO_BY_REFERENCE.replace(
    "    - {displayName: loose, target: 0.99, indicatorRef: slow}\n", ""
).replace("    - {target: 0.95}\n", "")
SLOTH_RAW = "slos: [{name: latency, objective: 99, sli: {raw: {error_ratio_query: 'x{w=\"{{.window}}\"}'}}}]"
THRESHOLD = OPENSLO.replace("ratioMetric:", "thresholdMetric:")
ELSEWHERE = ONE_OBJECTIVE.replace("indicatorRef: requests", "indicatorRef: gone")


def written(folder: Path, text: str, name: str = "") -> Slo:
    (folder / "slo.yaml").write_text(text)
    return resolved(Slo(file="slo.yaml", name=name), folder)


def test_a_number_is_the_target_alone() -> None:
    found = Extension.model_validate({"name": "chaosctl", "slo": 99.5})
    assert (found.slo.target, found.counters(), found.promise()["slo"]) == (99.5, None, 99.5)


def test_openslo_gives_name_target_window_and_counters(tmp_path: Path) -> None:
    found = written(tmp_path, OPENSLO)
    assert (found.name, found.target, found.window) == ("availability", 99.5, 28 * 86400)
    assert found.events() == Events(all="http_requests_total", good='http_requests_total{code=~"2.."}')


def test_sloth_gives_the_one_that_is_named(tmp_path: Path) -> None:
    found = written(tmp_path, SLOTH, name="availability")
    assert found.target == 99.9
    selectors = 'http_requests_total{job="web"}', 'http_requests_total{job="web",code=~"(5..|429)"}'
    assert found.events() == Events(all=selectors[0], bad=selectors[1])
    assert written(tmp_path, SLOTH_CRD).events() == Events(all="all_total", bad="bad_total")


def test_an_indicator_in_the_same_file_gives_its_counters(tmp_path: Path) -> None:
    found = written(tmp_path, ONE_OBJECTIVE)
    assert (found.name, found.target, found.window, found.note()) == ("availability", 99.9, 28 * 86400, "")
    assert found.events() == Events(all="all_total", bad="bad_total")


def test_one_of_several_objectives_is_named_by_its_display_name_or_target(tmp_path: Path) -> None:
    strict, loose, third = (
        written(tmp_path, OPENSLO_BY_REFERENCE, f"availability/{name}") for name in ("strict", "loose", "95")
    )
    assert [each.target for each in (strict, loose, third)] == [99.9, 99.0, 95.0]
    assert strict.events() == third.events() == Events(all="all_total", bad="bad_total")
    assert loose.events() is None, "its own indicator is a threshold"


@pytest.mark.parametrize(
    ("text", "name", "target"),
    [(SLOTH_RAW, "latency", 99), (THRESHOLD, "availability", 99.5), (ELSEWHERE, "availability", 99.9)],
)
def test_a_file_without_counters_says_that_time_stands_in(tmp_path: Path, text: str, name: str, target: float) -> None:
    (tmp_path / "slo.yaml").write_text(text)
    entry: dict[str, Any] = {"name": "chaosctl", "slo": {"file": "slo.yaml"}}
    found = extension({"extensions": [entry]}, tmp_path)
    assert found.slo.target == target
    (note,) = found.notes()
    assert note.startswith(f"No counters of good and of all events were found in slo.yaml for the SLO {name!r}")
    assert "time stands in for events" in note
    counted = entry | {"events": {"all": "a", "bad": "b"}}
    assert extension({"extensions": [counted]}, tmp_path).notes() == []


def test_counters_in_a_file_or_no_file_at_all_need_no_note(tmp_path: Path) -> None:
    assert written(tmp_path, OPENSLO).note() == written(tmp_path, SLOTH_CRD).note() == Slo(target=99.5).note() == ""


def test_a_window_in_weeks_is_in_days() -> None:
    assert Slo.model_validate({"window": "4w"}).window == 28 * 86400


@pytest.mark.parametrize(("window", "unit"), [("1M", "month"), ("1Q", "quarter"), ("1Y", "year")])
def test_a_window_by_the_calendar_is_refused_with_what_to_write(tmp_path: Path, window: str, unit: str) -> None:
    with pytest.raises(InvalidFile, match=rf"slo\.yaml: window: .*'{window}' .* one {unit} is longer .* 30d or 4w"):
        written(tmp_path, OPENSLO.replace("28d", window))


@pytest.mark.parametrize(
    ("text", "named", "told"),
    [
        (SLOTH, "", "it holds 2 SLOs, one is needed (there: availability, latency)"),
        (SLOTH, "avail", "0 SLOs are called 'avail'"),
        (OPENSLO_BY_REFERENCE, "", "one is needed (there: availability/strict, availability/loose, availability/95)"),
        (
            OPENSLO_BY_REFERENCE,
            "availability",
            "0 SLOs are called 'availability', one is needed (there: availability/strict, ",
        ),
        ("{kind: SLI, metadata: {name: [a]}, spec: {slos: []}}", "", "it holds 0 SLOs"),
        ("{kind: SLO, spec: {indicatorRef: [a], objectives: [{target: 2}]}}", "", "less than 100"),
        ("kind: Deployment", "", "it holds 0 SLOs"),
        (SLOTH_CRD.replace("99.9", "100"), "", "less than 100"),
        (SLOTH_CRD.replace("objective: 99.9", "target: 99.9"), "", "target"),
        ("{", "", "not YAML"),
        ("slos: 5", "", "it holds 0 SLOs"),
        ("slos: [availability]", "", "target"),
        ("slos: [{name: a, objective: 99.9, sli: {events: [a]}}, b]", "", "it holds 2 SLOs"),
        ("{kind: SLO, spec: {objectives: {target: 0.99}}}", "", "target"),
        ("{kind: SLO, spec: {objectives: [0.99], timeWindow: [28d]}}", "", "target"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_by_its_name(tmp_path: Path, text: str, named: str, told: str) -> None:
    with pytest.raises(InvalidFile, match=r"slo\.yaml") as refused:
        written(tmp_path, text, named)
    assert told in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read: No such file"):
        resolved(Slo(file="gone.yaml"), tmp_path)


def test_a_query_of_several_counters_is_refused_with_what_to_write() -> None:
    with pytest.raises(UsageError, match="reads 2 selectors") as refused:
        Slo(total="sum(rate(a[5m])) + sum(rate(b[5m]))", bad="rate(c[5m])").events()
    assert "events: {all:" in refused.value.fix


@pytest.mark.parametrize("wrong", [{"all": "a"}, {"all": "a", "bad": "b", "good": "c"}])
def test_events_are_all_and_one_of_bad_and_good(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one of `bad` and `good`"):
        Events(**wrong)


def test_another_slo_in_the_file_is_another_experiment(tmp_path: Path) -> None:
    experiment: dict[str, Any] = {"extensions": [{"name": "chaosctl", "slo": {"file": "slo.yaml"}}]}

    def hashed(text: str) -> str:
        (tmp_path / "slo.yaml").write_text(text)
        return experiment_hash(experiment, {}, extension(experiment, tmp_path).slo_apart())

    assert hashed(OPENSLO) == hashed(OPENSLO + "# a comment\n")
    assert hashed(OPENSLO) != hashed(OPENSLO.replace("0.995", "0.99"))
