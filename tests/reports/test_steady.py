"""Slots and streaks: what counts as seen, and when a series is steady again."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.steady import Samples, Slot, coverage, fault_window, moments, samples, slots, steady_again
from runner.model import Outcome
from tests.reports._records import COMMITTED, EFFECTIVE, HEALED, START, bad_at, fault, record, series, target

GOOD, BAD, STALE = Outcome.GOOD, Outcome.BAD, Outcome.STALE


@pytest.mark.parametrize(("two", "good"), [((GOOD, BAD), False), ((GOOD, STALE), None), ((STALE, BAD), False)])
def test_of_two_samples_at_one_moment_the_worse_counts(two: tuple[Outcome, Outcome], good: bool | None) -> None:
    for outcomes in permutations(two):
        assert samples(series(outcomes, offsets=(3.0, 3.0))) == Samples([START + 3], [good])


def test_each_missing_sample_is_an_unknown_slot() -> None:
    late = series([GOOD] * 4, offsets=(0.1, 1.2, 3.2, 4.4))
    assert slots(late, START + 6).good == [True, True, None, True, True, None, None]


def test_a_late_sample_is_no_gap() -> None:
    assert len(slots(series([GOOD] * 3, offsets=(0.0, 1.4, 2.0)), START + 2).at) == 3


def test_bad_samples_are_those_between_two_moments_both_included() -> None:
    found = samples(series(bad_at(3, 5, 9)))
    assert found.bad() == [Slot(START + second, False) for second in (3, 5, 9)]
    assert found.bad(START + 3.001, START + 9) == [Slot(START + 5, False), Slot(START + 9, False)]
    assert found.bad(START + 6, START + 8) == []


def test_series_that_are_alike_are_remembered_apart() -> None:
    one, other = series(bad_at(3)), series(bad_at(3))
    assert samples(one) is samples(one)
    assert samples(one) == samples(other)
    assert samples(one) is not samples(other)


@given(start=st.integers(-(10**6), 10**13), offsets=st.lists(st.integers(-(10**7), 10**7)))
def test_a_moment_is_the_sum_to_the_millisecond(start: int, offsets: list[int]) -> None:
    for those in (offsets, sorted(offsets), sorted(set(offsets))):
        found, ordered = moments(start / 1000, [each / 1000 for each in those])
        assert found == [round(start / 1000 + each / 1000, 3) for each in those]
        assert ordered == (sorted(set(found)) == found)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome not in (GOOD, BAD)])
def test_only_good_and_bad_samples_are_data(outcome: Outcome) -> None:
    mixed = series([GOOD, BAD, outcome, outcome, GOOD])
    assert coverage(mixed, START + 5) == (3, 5)


def test_samples_after_the_end_make_up_for_none_before_it() -> None:
    assert coverage(series(bad_at(2, 3, outcome=STALE)), START + 10) == (9, 10)


def test_a_series_that_was_good_all_along_is_steady_with_the_heal() -> None:
    assert steady_again(samples(series()), HEALED) == HEALED


def test_steady_state_begins_with_the_first_of_five_good_samples() -> None:
    assert steady_again(samples(series(bad_at(120))), HEALED) == START + 121
    assert steady_again(samples(series(bad_at(121))), HEALED) == START + 122
    assert steady_again(samples(series(bad_at(121, 126))), HEALED) == START + 127
    assert steady_again(samples(series(bad_at(121, length=126))), HEALED) is None


def test_an_unknown_sample_breaks_the_row() -> None:
    assert steady_again(samples(series(bad_at(124, outcome=STALE))), HEALED) == START + 125


def test_the_window_spans_all_targets_whose_moments_are_known() -> None:
    apart = fault(
        target(), target("netns:b", committed=COMMITTED - 1, healed=HEALED + 1), target("netns:c", healed=None)
    )
    window = fault_window(record(faults=(apart,)))
    assert window is not None
    assert (window.committed, window.effective, window.healed) == (COMMITTED - 1, EFFECTIVE, HEALED + 1)
    assert fault_window(record(faults=(fault(target(healed=None)),))) is None
