"""How sure means and rates are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from reports.bounds import mean_interval, wilson_lower

SCORES = st.lists(st.floats(0, 100).map(lambda score: round(score, 1)), min_size=1, max_size=35)


def test_bounds_are_those_of_the_docs() -> None:
    """Worked out in docs/scores.md, and the same on every machine for ever."""
    assert mean_interval([100.0]) == (100.0, 0.0, 100.0)
    assert mean_interval([100.0] * 14) == (100.0, 80.0, 100.0)
    assert mean_interval([100.0] * 35) == (100.0, 91.7, 100.0)
    assert mean_interval([90, 95, 100, 40, 88] * 7) == (82.6, 72.1, 89.1)
    assert (round(wilson_lower(14, 14), 3), round(wilson_lower(30, 30), 3)) == (0.785, 0.886)


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_is_that_of_scipy(passed: int, of: int) -> None:
    passed = min(passed, of)
    assert wilson_lower(passed, of) == pytest.approx(binomtest(passed, of).proportion_ci(0.95, "wilson").low, abs=1e-9)


def test_nothing_of_nothing_is_no_pass_rate() -> None:
    assert wilson_lower(0, 0) == 0.0


@given(SCORES)
def test_the_mean_lies_between_its_ends(scores: list[float]) -> None:
    found = mean_interval(scores)
    assert 0 <= found.low <= found.mean <= found.high <= 100


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(scores: list[float], rng: object) -> None:
    shuffled = sorted(scores, key=lambda _: rng.random())  # type: ignore[attr-defined]
    assert mean_interval(shuffled) == mean_interval(scores)


@given(SCORES, st.integers(0, 34), st.floats(0, 100))
def test_a_lower_score_never_raises_an_end(scores: list[float], at: int, less: float) -> None:
    worse = list(scores)
    worse[at % len(scores)] = round(max(0.0, worse[at % len(scores)] - less), 1)
    assert all(now <= was for now, was in zip(mean_interval(worse), mean_interval(scores), strict=True))


@given(st.floats(0, 100).map(lambda score: round(score, 1)), st.integers(1, 34))
def test_one_more_night_that_is_alike_never_lowers_the_bound(score: float, runs: int) -> None:
    assert mean_interval([score] * (runs + 1)).low >= mean_interval([score] * runs).low - 0.1 * score
    assert wilson_lower(runs + 1, runs + 1) > wilson_lower(runs, runs)
