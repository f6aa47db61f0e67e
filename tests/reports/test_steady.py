"""Slots and streaks: what counts as seen, and when a series is steady again."""

from itertools import permutations

import pytest

from reports.steady import Slot, coverage, fault_window, samples, slots, steady_again
from runner.model import Outcome
from tests.reports._records import COMMITTED, EFFECTIVE, HEALED, START, bad_at, fault, record, series, target

GOOD, BAD, STALE = Outcome.GOOD, Outcome.BAD, Outcome.STALE


@pytest.mark.parametrize(("two", "good"), [((GOOD, BAD), False), ((GOOD, STALE), None), ((STALE, BAD), False)])
def test_of_two_samples_at_one_moment_the_worse_counts(two: tuple[Outcome, Outcome], good: bool | None) -> None:
    for outcomes in permutations(two):
        assert samples(series(outcomes, offsets=(3.0, 3.0))) == [Slot(START + 3, good)]


def test_each_missing_sample_is_an_unknown_slot() -> None:
    late = series([GOOD] * 4, offsets=(0.1, 1.2, 3.2, 4.4))
    assert [slot.good for slot in slots(late, START + 6)] == [True, True, None, True, True, None, None]


def test_a_late_sample_is_no_gap() -> None:
    assert len(slots(series([GOOD] * 3, offsets=(0.0, 1.4, 2.0)), START + 2)) == 3


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
