"""The faults that need netem, struck in any way at any moment, end in time and leave nothing: the campaign in short."""

import pytest

from tests._forked import FAULTS, campaign

SEED = 20261130


@pytest.mark.netem
@pytest.mark.timeout(600)
def test_a_fault_by_netem_outlives_no_deadline(no_leaks: None) -> None:
    outcomes = list(campaign(SEED, 2 * len(FAULTS)))
    assert [told for outcome in outcomes for told in outcome.wrong] == []
    assert {outcome.fault for outcome in outcomes if outcome.live} == set(FAULTS)
