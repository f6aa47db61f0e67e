"""The sequential test of shares: how often it errs, and how many trials it takes."""

import random

import pytest

from runner.sequential import ERROR, ShareTest


def decided(test: ShareTest, share: float, chance: random.Random) -> tuple[bool, int]:
    """Return the answer for trials that hit with that chance, and how many it took."""
    hits = trials = 0
    while (answer := test.decide(hits, trials)) is None:
        hits, trials = hits + (chance.random() < share), trials + 1
    return answer, trials


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9])
def test_errs_as_seldom_as_it_says(share: float) -> None:
    chance, test = random.Random(7), ShareTest(share)  # noqa: S311 - trials, not secrets
    rounds = 500
    present = [decided(test, share, chance) for _ in range(rounds)]
    absent = [decided(test, share / 10, chance) for _ in range(rounds)]
    most = 4 * ERROR * rounds
    assert sum(not answer for answer, _ in present) <= most
    assert sum(answer for answer, _ in absent) <= most
    for answers in (present, absent):
        assert sum(trials for _, trials in answers) / rounds <= 2 * test.trials


def test_no_hits_at_all_show_its_absence_after_as_many_trials_as_it_says() -> None:
    for share in (0.003, 0.1, 0.5, 1.0):
        test = ShareTest(share)
        assert test.decide(0, test.trials) is False
        assert test.decide(0, test.trials - 1) is None


def test_correlated_trials_weigh_less() -> None:
    assert ShareTest(0.1, 0.5).trials == pytest.approx(3 * ShareTest(0.1).trials, rel=0.02)
    assert ShareTest(0.1).decide(4, 6) is True
    assert ShareTest(0.1, 0.5).decide(4, 6) is None
