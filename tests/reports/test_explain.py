"""Numbers that explain themselves: the terms make the score, and what would raise it does."""

import re

import pytest

from reports.bounds import mean_interval, wilson_lower
from reports.cells import DAY, cells
from reports.explain import explain_cell, explain_run, explain_service
from reports.record import Promise, Record
from reports.services import Declared, services
from reports.verdict import judge
from runner.model import Outcome
from tests.reports._nights import KEY, NOW, night, nights, one
from tests.reports._records import bad_at, events, fault, random_record, record, series, target


def half() -> Record:
    """5 of 100 events bad while it acts, 10% tolerated; steady after 40 s, 30 s promised."""
    late = series(bad_at(*range(121, 161), length=200), hard=False)
    return record(events=events(dict.fromkeys(range(62, 122), 5.0), seconds=range(1, 201)), series=(late,))


def test_the_terms_of_a_run_make_its_score() -> None:
    told = explain_run(half())
    found = re.search(r"100 \* (\d) \* \(0\.6 \* ([\d.]+) \+ 0\.4 \* ([\d.]+)\)", told.sentence)
    assert found
    g, a, r = (float(part) for part in found.groups())
    assert round(100 * g * (0.6 * a + 0.4 * r), 1) == told.score == judge(half()).score
    absorbed, recovered, intact = told.terms
    assert absorbed.value == "max(0, 1 - e / E) = max(0, 1 - 0.0500 / 0.1) = 0.500"
    assert "300 bad of 6,000 events" in absorbed.basis
    assert recovered.value.startswith("max(0, 1 - log2(40 / 30)) = 0.585")
    assert (intact.value, intact.basis) == ("1", "none is declared")


def test_what_would_raise_a_run_does_by_as_much() -> None:
    told, was = explain_run(half()), judge(half()).score
    gains = {lever.what.split()[0]: lever.gain for lever in told.levers}
    assert was is not None
    assert [lever.gain for lever in told.levers] == sorted((lever.gain or 0 for lever in told.levers), reverse=True)
    without = judge(half().model_copy(update={"events": events(seconds=range(1, 201))})).score
    in_time = judge(half().model_copy(update={"promise": Promise(service="payment", objective=40.0)})).score
    assert without is not None
    assert in_time is not None
    assert gains["Have"] == pytest.approx(without - was, abs=0.06)
    assert gains["Recover"] == pytest.approx(in_time - was, abs=0.06)


def test_a_run_without_a_score_says_what_to_mend_first() -> None:
    told = explain_run(record(faults=(fault(target(hits=0)),)))
    assert (told.score, told.terms) == (None, ())
    assert told.sentence.startswith("No score: inconclusive. The workload never met")
    assert told.levers[0].what.startswith("Mend this first: The workload never met")


def test_a_broken_invariant_is_the_first_lever() -> None:
    lost = series([*bad_at(175)], "no write is lost", hard=False, invariant=True)
    told = explain_run(record(series=(series(), lost), events=events()))
    assert told.score == 0
    assert (told.terms[2].value, told.terms[2].basis) == ("0", "broke: no write is lost")
    assert (told.levers[0].gain, told.levers[0].what) == (100.0, "Keep the invariants: nothing counts without.")


def test_samples_are_counted_with_those_that_are_missing() -> None:
    gaps = series(bad_at(5, 6, outcome=Outcome.STALE))
    assert "178 good, 0 bad, 2 without data" in explain_run(record(series=(gaps,), events=events())).samples[0]


def test_every_record_can_be_explained() -> None:
    for seed in range(40):
        told = explain_run(random_record(seed))
        assert told.score == judge(random_record(seed)).score
        assert (told.score is None) == (told.terms == ())


def test_what_would_raise_a_cell_does_by_as_much() -> None:
    scores = [100.0] * 10 + [40.0, 60.0]
    told = explain_cell(one(nights([*scores, None])), NOW)
    gains = {lever.what.split()[0]: lever.gain for lever in told.levers}
    low = mean_interval(scores).low
    assert told.score == low
    assert gains["Turn"] == pytest.approx(mean_interval([100.0] * 10 + [80.0, 80.0]).low - low)
    assert gains["Score"] == pytest.approx(mean_interval([100.0] * 12).low - low)
    assert "Wilson's lower bound of 10 of 12" in told.terms[2].basis
    assert told.samples[-1] == "1 run said nothing: 1 x inconclusive: The workload never met it."
    assert any(lever.what == "Run it 23 nights more with scores like these." for lever in told.levers)


def test_the_passes_that_a_rate_needs_are_those_that_it_needs() -> None:
    told = explain_cell(one(nights([100.0] * 14)), NOW)
    assert "2 more passes in a row bring the pass rate's bound to 0.8." in [lever.what for lever in told.levers]
    assert wilson_lower(15, 15) < 0.8 <= wilson_lower(16, 16)


def test_a_hard_probe_that_failed_is_named_whatever_the_score() -> None:
    told = explain_run(record(series=(series(bad_at(70)),), events=events()))
    assert told.score == 100.0
    assert told.levers[0].what.startswith("Keep orders-succeed within its tolerance: it is hard")


def test_a_cell_without_anything_valid_says_that_it_counts_0() -> None:
    told = explain_cell(one(nights([None, None])), NOW)
    assert told.score is None
    assert told.sentence == "0 of 100: nothing valid in the last 45 days; no run was ever valid"
    assert told.samples == ("2 runs said nothing: 2 x inconclusive: The workload never met it.",)
    assert [lever.what for lever in told.levers] == ["Mend what made 2 runs say nothing; see above."]
    assert explain_cell(one(nights([100.0], started=NOW - 60 * DAY)), NOW).levers[0].what.startswith("Run it")


def test_a_fault_that_was_run_and_never_valid_is_to_be_mended_and_not_run() -> None:
    (service,) = services(cells(nights([None, None]), NOW), {}, KEY.environment)
    (lever,) = explain_service(service).levers
    assert lever.what == (
        "Mend what made 2 runs of network-dns say nothing; explain the cell to see why. "
        "The gain is that of a score of 100."
    )


def test_a_run_dated_ahead_asks_for_a_clock_that_is_right() -> None:
    found = cells([night(-0.5)], NOW)
    (service,) = services(found, {}, KEY.environment)
    for told, subject in ((explain_cell(found[KEY], NOW), "it"), (explain_service(service), "network-dns")):
        assert told.levers[0].what.startswith(f"Set the clock of the machine that ran {subject}: a run is dated ahead")


@pytest.mark.parametrize(("hours", "ago"), [(1, "1 hour"), (5, "5 hours"), (24, "24 hours"), (72, "3 days")])
def test_how_long_ago_the_last_valid_run_was_is_told_in_words(hours: float, ago: str) -> None:
    told = explain_cell(one(nights([100.0], started=NOW - hours * 3600)), NOW)
    assert f"the last valid run was {ago} ago" in told.sentence


def test_a_service_names_the_fault_that_would_raise_it_most() -> None:
    found = cells(nights([100.0] * 14), NOW)
    declared = {"payment": Declared(requires={"network-dns": 1.0, "etcd-latency": 3.0})}
    (service,) = services(found, declared, KEY.environment)
    told = explain_service(service)
    assert told.score == 20.0
    assert told.sentence == "20 of 100 = (3 * 0 + 1 * 80) / 4; 50% of the required faults are covered"
    assert (told.levers[0].gain, told.levers[0].what[:27]) == (75.0, "Run etcd-latency: never run")
    assert told.score + sum(lever.gain or 0 for lever in told.levers) == 100.0


def test_a_run_of_an_older_formula_is_explained_by_it_and_says_what_cells_count() -> None:
    lost = series([*bad_at(175)], "no write is lost", hard=False, invariant=True)
    told = explain_run(record(series=(series(), lost), events=events()), "1")
    assert (told.score, told.terms[2].basis) == (100, "formula 1 knows none")
    assert told.samples[-1] == "cells and services count it by formula 2: 0 of 100, fail"
    assert explain_run(half()).samples == explain_run(half(), "1").samples[:-1]
