"""Cells: what many nights of one fault say of one service."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.cells import DAY, LATEST, WINDOW, cells
from reports.history import RunSummary
from tests.reports._nights import KEY, NOW, night, nights, one

SCORES = st.lists(st.none() | st.floats(0, 100).map(lambda score: round(score, 1)), min_size=1, max_size=50)


def test_one_green_night_is_not_resilience() -> None:
    cell = one(nights([100.0]))
    assert cell.score is not None
    assert (cell.score.mean, cell.low, cell.valid) == (100.0, 0.0, 1)
    assert cell.pass_rate_low == pytest.approx(0.207, abs=0.001)


def test_fourteen_and_thirty_green_nights_have_the_pass_rates_of_the_definition() -> None:
    assert one(nights([100.0] * 14)).pass_rate_low == pytest.approx(0.785, abs=0.0005)
    assert one(nights([100.0] * 30)).pass_rate_low == pytest.approx(0.886, abs=0.0005)


def test_only_the_last_35_valid_runs_of_the_last_45_days_count() -> None:
    assert one(nights([0.0] * 5 + [100.0] * LATEST)).low == 91.7
    old = [night(46 + number, 0.0) for number in range(10)]
    assert one([*old, *nights([100.0] * 14)]).low == 80.0


def test_a_cell_without_a_run_in_the_window_has_no_score_and_says_since_when() -> None:
    cell = one([night(50), night(60, 20.0)])
    assert (cell.score, cell.low, cell.valid, cell.tracks) == (None, 0.0, 0, ())
    assert cell.age(NOW) == 50 * DAY


def test_what_said_nothing_is_counted_with_its_reasons_and_is_no_score() -> None:
    cell = one([*nights([100.0, None, None, 100.0]), night(0.2, None, reason="No baseline.")])
    assert (cell.valid, cell.invalid) == (2, 3)
    assert cell.tracks[0].why_invalid == (
        ("inconclusive: The workload never met it.", 2),
        ("inconclusive: No baseline.", 1),
    )
    assert cell.age(NOW) == pytest.approx(0.5 * DAY)


def test_nothing_but_invalid_runs_is_no_score() -> None:
    cell = one(nights([None] * 10))
    assert (cell.score, cell.low, cell.pass_rate_low, cell.last_valid, cell.invalid) == (None, 0.0, 0.0, None, 10)


def test_the_same_hash_goes_on_and_another_one_starts_anew() -> None:
    before = nights([100.0] * 20)
    assert one([*before, night(0.2)]).valid == 21
    changed = [night(ago, experiment_hash="h2") for ago in (0.1, 0.2, 0.3)]
    longer_ago = [night(9 + number) for number in range(20)]
    cell = one([*longer_ago, *changed])
    assert [(track.experiment_hash, len(track.runs)) for track in cell.tracks] == [("h2", 3)]


def test_of_two_variants_that_take_turns_the_worse_one_counts() -> None:
    good = [night(2 * number + 0.5, 100.0) for number in range(15)]
    bad = [night(2 * number + 1.5, 10.0, experiment_hash="h2") for number in range(15)]
    cell = one([*good, *bad])
    assert [track.experiment_hash for track in cell.tracks] == ["h2", "h1"]
    assert cell.low < 10.0


def test_two_experiments_of_one_fault_are_two_tracks_however_long_ago_one_was() -> None:
    other = [night(number, 30.0, experiment="experiments/other.yaml", experiment_hash="o") for number in range(20, 30)]
    cell = one([*other, *nights([100.0] * 14)])
    assert [track.experiment for track in cell.tracks] == ["experiments/other.yaml", "experiments/network-dns.yaml"]


def test_environments_services_and_faults_are_never_mixed() -> None:
    lab, orders = night(0.1, environment="lab"), night(0.2, service="orders", faults=("etcd-latency", "network-dns"))
    named_alike = night(0.3, service="payment-api")
    found = cells([*nights([50.0] * 3), lab, orders, named_alike], NOW)
    assert [tuple(key) for key in found] == [
        ("lab", "payment", "network-dns"),
        ("preprod", "orders", "etcd-latency"),
        ("preprod", "orders", "network-dns"),
        ("preprod", "payment", "network-dns"),
        ("preprod", "payment-api", "network-dns"),
    ]
    assert found[KEY].valid == 3


def test_injections_by_hand_gates_and_runs_about_no_service_are_no_cells() -> None:
    assert cells([night(1, kind="inject"), night(1, service=""), night(1, faults=())], NOW) == {}


def test_a_run_from_the_future_does_not_count() -> None:
    assert one([night(-1, 0.0), *nights([100.0] * 14)]).low == 80.0


@given(SCORES)
def test_the_order_of_runs_does_not_matter(scores: list[float | None]) -> None:
    runs = nights(scores)
    shuffled = random.Random(1).sample(runs, len(runs))  # noqa: S311 - repeatable on purpose
    assert one(shuffled) == one(runs)


@given(SCORES, st.integers(0, 49))
def test_a_night_without_data_never_raises_a_cell(scores: list[float | None], at: int) -> None:
    """Losing a night that was not below the mean must not help; losing a bad one is shown as invalid, never hidden."""
    runs = nights(scores)
    lost = runs[at % len(runs)]
    others = [run for run in runs if run is not lost]
    without = one([*others, *nights_of(lost)])
    assert without.invalid >= one(runs).invalid
    if lost.score is not None and all(run.score is None or run.score <= lost.score for run in others):
        assert without.low <= one(runs).low


def nights_of(lost: RunSummary) -> list[RunSummary]:
    age = (NOW - lost.started) / DAY
    return [night(age, None, run=lost.run)]


@given(SCORES)
def test_a_cell_lies_between_0_and_100_and_counts_at_most_35(scores: list[float | None]) -> None:
    cell = one(nights(scores))
    assert 0 <= cell.low <= 100
    assert 0 <= cell.pass_rate_low <= 1
    assert cell.valid <= LATEST
    assert (cell.score is None) == (not any(s is not None for s in scores[-int(WINDOW / DAY) :]))
