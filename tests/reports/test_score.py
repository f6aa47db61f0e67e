"""The score: its arithmetic, and what went wrong with scores elsewhere."""

import pytest

from reports.record import Promise
from reports.score import tolerated
from reports.verdict import judge
from runner.errors import UsageError
from runner.model import Outcome, Verdict
from tests.reports._records import SECONDS, START, bad_at, events, fault, record, series, target


def test_absorption_is_one_less_the_share_of_bad_events_over_the_tolerated_share() -> None:
    """5 of 100 events are bad while the fault acts, 10% are tolerated, recovery is at once: 0.6 * 0.5 + 0.4."""
    judgement = judge(record(events=events(dict.fromkeys(range(62, 122), 5.0))))
    assert judgement.bad_share == pytest.approx(0.05)
    assert judgement.absorbed == pytest.approx(0.5)
    assert judgement.score == pytest.approx(70.0)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0] == "The score is 70 of 100, and 80 is needed."


@pytest.mark.parametrize(("last_bad", "recovered"), [(140, 1.0), (150, 1.0), (160, 0.585), (175, 0.126)])
def test_recovery_falls_with_the_logarithm_of_how_late_it_is(last_bad: int, recovered: float) -> None:
    """The heal is at +121 s, the objective 30 s; the first good sample comes a second after the last bad one."""
    burst = series(bad_at(*range(121, last_bad + 1), length=200), hard=False)
    judgement = judge(record(series=(burst,), ended=START + 200, events=events(seconds=range(1, 201))))
    assert judgement.recovery_time == last_bad + 1 - 121
    assert judgement.recovered == pytest.approx(recovered, abs=0.001)


def test_recovery_runs_from_the_last_heal_to_the_last_series() -> None:
    two = fault(target(), target("netns:b", healed=START + 125))
    many = (series(), series(bad_at(*range(100, 131)), "p99", hard=False))
    judgement = judge(record(faults=(two,), series=many, events=events()))
    assert judgement.recovery_time == 6.0
    assert judgement.steady_again == START + 131


def test_five_good_samples_in_a_row_are_needed() -> None:
    flapping = series(bad_at(*range(100, 122), 126), hard=False)
    assert judge(record(series=(flapping,), events=events())).recovery_time == 6.0


def test_good_events_after_the_heal_do_not_dilute_the_bad_ones() -> None:
    """Two runs with the same bad events: the one that takes longer to be steady must not look better absorbed."""
    bad = dict.fromkeys(range(62, 122), 5.0)
    quick = judge(record(events=events(bad)))
    slow = judge(record(events=events(bad), series=(series(bad_at(*range(118, 145)), hard=False),)))
    assert slow.recovery_time == 24.0
    assert slow.bad_share == quick.bad_share


def test_bad_events_after_steady_state_are_not_the_fault_s() -> None:
    judgement = judge(record(events=events(dict.fromkeys(range(130, 180), 100.0))))
    assert (judgement.bad_share, judgement.score) == (0.0, 100.0)


def test_a_share_of_a_few_events_is_not_taken_for_the_worst() -> None:
    """3 of the first 3 events are bad, and 3 of 303 until steady again: only from 200 on is it a share at all."""
    few = events({62: 3.0}, each=0)
    every = tuple(3.0 if at == 62 else 300.0 if at == 123 else 0.0 for at in range(1, SECONDS + 1))
    late = series(bad_at(*range(119, 123)), hard=False)
    judgement = judge(record(events=few.model_copy(update={"all": every}), series=(late,)))
    assert judgement.bad_share == pytest.approx(3 / 303)


def test_counters_that_run_backwards_raise_no_score() -> None:
    judgement = judge(record(events=events(dict.fromkeys(range(62, 170), -50.0))))
    assert (judgement.bad_share, judgement.score) == (0.0, 100.0)


@pytest.mark.parametrize(
    ("promise", "share"),
    [(Promise(slo=99.0), 0.1), (Promise(slo=99.9), 0.01), (Promise(slo=80.0), 1.0), (Promise(tolerated=0.3), 0.3)],
)
def test_the_tolerated_share_is_declared_or_ten_times_the_slo_s(promise: Promise, share: float) -> None:
    assert tolerated(record(promise=promise)) == pytest.approx(share)


def test_no_data_does_not_score_100() -> None:
    assert judge(record(series=(series((Outcome.NO_SERIES,) * SECONDS),))).score is None


def test_a_firing_alert_whose_value_is_0_does_not_pass() -> None:
    alert = series(bad_at(*range(70, 90)), "alert")
    assert alert.values[75] == 0.0
    assert judge(record(series=(alert,))).verdict is Verdict.FAIL


def test_zero_probes_do_not_pass() -> None:
    for none in (record(series=()), record(series=(), faults=()), record(series=(), faults=(), journal={"run": []})):
        judgement = judge(none)
        assert (judgement.verdict, judgement.score) == (Verdict.INCONCLUSIVE, None)


def test_the_weight_of_a_service_and_names_that_contain_each_other_change_no_score() -> None:
    many = (series(bad_at(70), "pay", hard=False), series(probe="payment"), series(probe="payment-api"))
    scores = {
        judge(record(series=many, promise=Promise(service=name, weight=weight))).score
        for name in ("pay", "payment", "payment-api")
        for weight in (0.1, 1.0, 50.0)
    }
    assert len(scores) == 1


def test_a_failed_probe_is_not_worth_half_a_score() -> None:
    """Everything bad from the effect to the end: nothing absorbed, never recovered."""
    judgement = judge(record(series=(series(bad_at(*range(61, SECONDS))),)))
    assert (judgement.verdict, judgement.score) == (Verdict.FAIL, 0.0)


def test_one_bad_sample_of_an_invariant_leaves_nothing_of_a_score() -> None:
    """An acknowledged write that is found lost at the end, long after the service was steady again."""
    lost = series(bad_at(175), "no write is lost", hard=False, invariant=True)
    judgement = judge(record(series=(series(), lost), events=events()))
    assert (judgement.verdict, judgement.score, judgement.formula) == (Verdict.FAIL, 0.0, "2")
    assert judgement.reasons[0].startswith("The invariant no write is lost broke: 1 sample bad, the first at +175.0s")


def test_an_invariant_that_broke_is_not_hidden_by_another_of_its_name() -> None:
    """As where a runner adds the same probe twice, with other tolerances."""
    broke = series(bad_at(175), "no write is lost", hard=False, invariant=True)
    held = series(probe="no write is lost", hard=False, invariant=True)
    for both in ((broke, held), (held, broke)):
        assert judge(record(series=(series(), *both))).score == 0


def test_what_formula_1_said_it_says_for_ever() -> None:
    """It knows no invariants, and is the same as formula 2 where none broke."""
    lost = series(bad_at(175), "no write is lost", hard=False, invariant=True)
    old = judge(record(series=(series(), lost), events=events()), "1")
    assert (old.verdict, old.score, old.formula) == (Verdict.PASS, 100.0, "1")
    late = record(series=(series(bad_at(*range(121, 150)), hard=False),), events=events({70: 50.0}))
    assert judge(late, "1").model_copy(update={"formula": "2"}) == judge(late, "2")
    with pytest.raises(UsageError, match="There is no formula '3'"):
        judge(late, "3")
