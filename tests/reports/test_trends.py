"""Regressions, flakes and noise told apart."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.cells import Cell, Key, cells
from reports.trends import Finding, Kind, findings
from runner.model import iso
from tests.reports._nights import NOW, night, nights

GREEN, RED = 100.0, 20.0


def found(scores: Sequence[float | None]) -> list[Finding]:
    return findings(cells(nights(scores), NOW))


def kinds(scores: Sequence[float | None]) -> list[Kind]:
    return [each.kind for each in found(scores)]


def test_the_first_failure_after_five_passes_is_told_that_morning() -> None:
    (told,) = found([GREEN] * 5 + [RED])
    assert (told.kind, told.between) == (Kind.NEW_FAILURE, ("night-1.5", "night-0.5"))
    assert "2 more runs will tell" in told.sentence
    assert kinds([GREEN] * 4 + [RED]) == []


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        ([RED, RED], Kind.REGRESSION),
        ([RED, GREEN, RED], Kind.REGRESSION),
        ([RED, RED, RED, RED], Kind.REGRESSION),
        ([RED, GREEN], Kind.NEW_FAILURE),
        ([RED, GREEN, GREEN], Kind.FLAKE),
    ],
)
def test_up_to_two_confirmation_runs_name_it(after: Sequence[float | None], kind: Kind) -> None:
    (told,) = found([*[GREEN] * 10, *after])
    assert told.kind is kind
    assert (told.before[-1].score, told.after[0].score) == (GREEN, RED)


def test_a_night_that_said_nothing_neither_confirms_nor_refutes() -> None:
    assert kinds([GREEN] * 10 + [None, RED, None, RED]) == [Kind.REGRESSION]
    assert kinds([GREEN] * 10 + [RED, None, None]) == [Kind.NEW_FAILURE]


def test_a_regression_that_was_mended_is_no_news() -> None:
    assert kinds([GREEN] * 10 + [RED, RED, RED] + [GREEN] * 6) == []


def test_one_failure_among_others_is_noise_and_says_so() -> None:
    (told,) = found([GREEN, RED, GREEN, GREEN] * 8 + [RED])
    assert told.kind is Kind.NOISE
    assert told.p is not None
    assert told.p > 0.2
    assert "nothing follows" in told.sentence


@pytest.mark.parametrize("red", [4, 5, 9, 10, 33, 40])
def test_a_cell_that_fails_every_night_is_failing_and_no_noise(red: int) -> None:
    (told,) = found([RED] * red)
    assert (told.kind, told.before, told.between) == (Kind.FAILING, (), None)
    first = iso(told.after[0].started)[:10]
    assert told.sentence == f"It failed in each of the last {min(red, 35)} nights, since {first}: It did."


def test_a_regression_older_than_the_nights_that_are_compared_is_failing() -> None:
    (told,) = found([*[GREEN] * 4, *[RED] * 31])
    assert (told.kind, len(told.before), len(told.after)) == (Kind.FAILING, 4, 31)
    assert told.between == ("night-31.5", "night-30.5")
    assert kinds([*[GREEN] * 20, *[RED] * 35]) == [Kind.FAILING]


@pytest.mark.parametrize("green", [0, 4, 6, 8, 9])
def test_one_green_night_of_ten_does_not_hide_that_it_fails(green: int) -> None:
    scores: list[float | None] = [RED] * 10
    scores[green] = GREEN
    (told,) = found(scores)
    assert told.kind is Kind.FAILING
    assert not told.after[0].passed


def test_a_cell_that_fails_most_nights_says_how_many() -> None:
    (told,) = found([*[RED] * 8, GREEN, RED])
    assert "It failed in 9 of the last 10 nights, since 2027-01-05: " in told.sentence
    (told,) = found([GREEN, RED, GREEN, *[RED] * 6])
    assert "each of the last 6 nights, since 2027-01-09, and in 1 of the 3 before: " in told.sentence


@pytest.mark.parametrize(
    "scores",
    [
        [RED] * 3,
        [RED, GREEN] * 6,
        [RED, RED, GREEN, RED] * 2,
        [*[RED] * 30, GREEN, GREEN, GREEN],
        [*[GREEN, RED] * 10, RED, RED, RED],
    ],
)
def test_too_few_nights_half_of_them_and_what_passes_again_are_not_failing(scores: list[float | None]) -> None:
    assert Kind.FAILING not in kinds(scores)


def test_a_decline_that_is_certain_is_named_before_that_it_fails() -> None:
    assert kinds([*[GREEN, GREEN, GREEN, RED] * 7, *[RED] * 5]) == [Kind.DECLINE]


def test_what_fails_every_night_is_told_before_new_failures_and_noise() -> None:
    many = [*nights([RED] * 10, service="b"), *nights([GREEN] * 5 + [RED], service="a")]
    assert [each.kind for each in findings(cells(many, NOW))] == [Kind.FAILING, Kind.NEW_FAILURE]


def test_every_kind_is_in_the_docs() -> None:
    told = (Path(__file__).parents[2] / "docs" / "scores.md").read_text()
    assert [kind for kind in Kind if f"| {kind.value} |" not in told] == []


def test_a_slow_decline_is_found_by_the_last_5_against_the_28_before() -> None:
    """3 of 5 against 2 of 28 failures: by hand, Fisher's one-sided p is 0.0165."""
    before: list[float | None] = [GREEN] * 28
    before[3] = before[25] = RED
    (told,) = found([*before, GREEN, RED, RED, GREEN, RED])
    assert told.kind is Kind.DECLINE
    assert told.p == pytest.approx(0.0165, abs=0.0005)
    assert (len(told.before), len(told.after)) == (28, 5)


def test_fewer_failures_than_before_are_no_decline() -> None:
    (told,) = found([*[RED] * 29, *[GREEN] * 4])
    assert (told.kind, told.p) == (Kind.NOISE, 1.0)


def test_the_more_cells_the_less_chance_passes_for_news() -> None:
    """The same p that is news in one cell is none among forty of which the others do nothing."""
    before: list[float | None] = [GREEN] * 28
    before[3] = before[25] = RED
    odd = nights([*before, GREEN, RED, RED, GREEN, RED])
    others = [run for n in range(39) for run in nights([GREEN] * 33, service=f"s{n}")]
    (told,) = findings(cells([*odd, *others], NOW))
    assert (told.kind, round(told.p or 0, 3)) == (Kind.NOISE, 0.017)
    assert told.adjusted is not None
    assert told.adjusted > 0.5


def timed(times: Sequence[float | None], shares: Sequence[float] | None = None) -> list[Finding]:
    runs = [
        night(len(times) - number - 0.5, GREEN, recovery_time=time, bad_share=share, absorbed=1 - share / 0.1)
        for number, (time, share) in enumerate(zip(times, shares or [0.01] * len(times), strict=True))
    ]
    return findings(cells(runs, NOW))


def test_a_recovery_that_became_a_fifth_slower_is_found_where_it_changed() -> None:
    rng = random.Random(5)  # noqa: S311 - repeatable on purpose
    times = [10 + rng.gauss(0, 0.5) for _ in range(24)] + [14 + rng.gauss(0, 0.5) for _ in range(9)]
    (told,) = timed(times)
    assert (told.kind, len(told.before), len(told.after)) == (Kind.SLOWER, 24, 9)
    assert "for 9 nights now" in told.sentence


@pytest.mark.parametrize("late", [1.1, 1.0, 0.5])
def test_less_than_a_fifth_and_faster_are_no_news(late: float) -> None:
    assert timed([10.0 + 0.1 * (n % 3) for n in range(24)] + [late * (10.0 + 0.1 * (n % 3)) for n in range(9)]) == []


def test_one_slow_night_is_no_change_point() -> None:
    assert timed([*([10.0] * 30), 60.0, 10.0, 10.0]) == []


def test_recovery_that_no_longer_comes_is_slower_than_any_that_did() -> None:
    assert [each.kind for each in timed([*([10.0] * 20), *([None] * 5)])] == [Kind.SLOWER]


def test_more_bad_events_are_found_where_they_cost_something() -> None:
    assert [each.kind for each in timed([5.0] * 33, [0.01] * 25 + [0.05] * 8)] == [Kind.LESS_ABSORBED]
    assert timed([5.0] * 33, [0.0001] * 25 + [0.0005] * 8) == []


def test_chance_alone_is_seldom_news() -> None:
    """Of 60 cells without any change, with failures one night in ten and noise in recovery, almost none is news."""
    rng = random.Random(11)  # noqa: S311 - repeatable on purpose
    runs = [
        night(33 - n, RED if rng.random() < 0.1 else GREEN, service=f"s{s}", recovery_time=10 + rng.gauss(0, 1))
        for s in range(60)
        for n in range(33)
    ]
    many = [each for each in findings(cells(runs, NOW)) if each.kind in (Kind.DECLINE, Kind.SLOWER)]
    assert len(many) <= 2


@given(st.lists(st.sampled_from([GREEN, RED, None]), min_size=0, max_size=40))
def test_every_history_is_told_without_a_fault_and_once(scores: list[float | None]) -> None:
    told = [each for each in found(scores) if each.kind not in (Kind.SLOWER, Kind.LESS_ABSORBED)]
    assert len(told) <= 1
    for each in told:
        assert not each.after[0].passed or each.kind in (Kind.DECLINE, Kind.NOISE)
        assert any(not run.passed for run in each.after)


def test_no_runs_are_no_news() -> None:
    none: dict[Key, Cell] = {}
    assert findings(none) == []
