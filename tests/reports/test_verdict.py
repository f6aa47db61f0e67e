"""Verdicts: which rule decides, and what the sentences say."""

from typing import Any

import pytest

from reports.record import Problem, Promise
from reports.verdict import judge, judged
from runner.model import Outcome, Sight, Verdict
from tests.reports._records import (
    HEALED,
    SECONDS,
    START,
    bad_at,
    events,
    fault,
    gate,
    look,
    record,
    series,
    target,
)


def test_a_run_in_which_nothing_went_wrong_passes_with_100() -> None:
    judgement = judge(record())
    assert (judgement.verdict, judgement.exit_code, judgement.score) == (Verdict.PASS, 0, 100.0)
    assert judgement.recovery_time == 0.0
    assert judgement.recovery_resolution == 2.0
    assert "The hard probe held" in judgement.reasons[0]


def test_judged_fills_in_the_judgement_and_changes_nothing_else() -> None:
    plain = record()
    done = judged(plain)
    assert done.judgement == judge(plain)
    assert done.model_copy(update={"judgement": None}) == plain


@pytest.mark.parametrize("kind", ["error", "aborted"])
def test_a_problem_decides_and_its_message_is_the_reason(kind: Any) -> None:
    judgement = judge(record(problem=Problem(kind=kind, message="Prometheus at http://p did not answer.")))
    assert judgement.verdict == kind
    assert judgement.exit_code == {"error": 4, "aborted": 5}[kind]
    assert judgement.reasons == ("Prometheus at http://p did not answer.",)
    assert judgement.score is None


def test_residue_comes_before_everything() -> None:
    left = record(residue=("table inet chaos_f1 at netns:a; remove it: nft ...",), problem=_problem("aborted"))
    judgement = judge(left)
    assert (judgement.verdict, judgement.exit_code, judgement.score) == (Verdict.ERROR, 6, None)
    assert "table inet chaos_f1" in judgement.reasons[0]


def test_an_unproven_fault_is_inconclusive_even_where_something_deviated() -> None:
    blind = target(looks=(look("before", START, Sight.ABSENT), look("after", HEALED, Sight.ABSENT)))
    judgement = judge(record(faults=(fault(blind),), series=(series(bad_at(70)),)))
    assert (judgement.verdict, judgement.exit_code) == (Verdict.INCONCLUSIVE, 3)
    assert "nobody looked while it acted" in judgement.reasons[0]


def test_a_hard_probe_that_left_its_tolerance_during_the_fault_fails() -> None:
    judgement = judge(record(series=(series(bad_at(64)),)))
    assert (judgement.verdict, judgement.exit_code) == (Verdict.FAIL, 1)
    assert judgement.reasons[0] == (
        "The hard probe orders-succeed left its tolerance: 1 sample bad, the first at +64.0s, 3s after the "
        "fault was first seen."
    )


def test_a_soft_probe_that_dips_is_priced() -> None:
    judgement = judge(record(series=(series(bad_at(64), hard=False),)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.score == pytest.approx(90.2)
    assert "time stands in for them" in judgement.reasons[1]


def test_a_hard_probe_may_leave_its_tolerance_before_the_effect_or_after_steady_state() -> None:
    assert judge(record(series=(series(bad_at(10, 60, 170)),))).verdict is Verdict.PASS


def test_late_recovery_fails_even_with_a_good_score() -> None:
    late = series(bad_at(122, 126, 130, 134, 138, 142), hard=False)
    judgement = judge(record(series=(late,), events=events(), promise=Promise(objective=20.0)))
    assert (judgement.verdict, judgement.recovery_time) == (Verdict.FAIL, 22.0)
    assert judgement.score is not None
    assert judgement.score >= 80
    assert judgement.reasons[0].startswith("Recovery was late: it took 22s where 20s are promised")


def test_a_service_that_never_recovered_fails_with_no_recovery_figure() -> None:
    judgement = judge(record(series=(series(bad_at(*range(70, SECONDS)), hard=False),)))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.recovery_time is None
    assert judgement.recovered == 0.0
    assert judgement.reasons[0].startswith("The service did not recover while it was watched")


def test_a_watch_that_ended_too_early_to_see_recovery_is_inconclusive() -> None:
    """Bad until the heal, then nothing more: it may have recovered at once or never."""
    short = series(bad_at(*range(110, 121), length=122), hard=False)
    judgement = judge(record(series=(short,), ended=START + 122, promise=Promise(objective=5.0, tolerated=0.9)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "missing after the first effect would decide" in judgement.reasons[0]


def test_a_watch_that_ended_with_the_objective_cannot_deny_a_recovery_that_had_begun() -> None:
    """Good again a second before the objective passes, and then nobody looks: five in a row were never to be had."""
    short = series(bad_at(*range(110, 150), length=152), hard=False)
    judgement = judge(record(series=(short,), ended=START + 152, events=events()))
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_a_missing_sample_counts_as_bad_where_that_changes_no_verdict() -> None:
    judgement = judge(record(series=(series(bad_at(80, outcome=Outcome.STALE)),)))
    assert judgement.verdict is Verdict.PASS
    assert judgement.score == pytest.approx(90.2)
    assert judgement.reasons[-1] == "1 sample missing after the first effect count as bad."


def test_missing_samples_that_would_decide_are_inconclusive() -> None:
    judgement = judge(record(series=(series(bad_at(80, 81, 82, 83, outcome=Outcome.STALE)),)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.score is None


def test_a_hard_failure_stands_whatever_the_missing_samples_were() -> None:
    outcomes = bad_at(80, 81, 82, 83, outcome=Outcome.STALE)
    outcomes[90] = Outcome.BAD
    assert judge(record(series=(series(outcomes),))).verdict is Verdict.FAIL


def test_under_200_events_nothing_is_concluded() -> None:
    assert judge(record(events=events(each=4))).verdict is Verdict.PASS
    judgement = judge(record(events=events(each=3)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "had 180 events" in judgement.reasons[0]


@pytest.mark.parametrize("seconds", [range(1, 90), range(70, SECONDS + 1)])
def test_event_counters_that_miss_part_of_the_fault_are_inconclusive(seconds: range) -> None:
    judgement = judge(record(events=events(seconds=seconds)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0].startswith("The event counters do not reach")


def test_an_injection_is_judged_by_its_proof_alone() -> None:
    injected = record(kind="inject", faults=(fault(target(hits=0)),), series=())
    judgement = judge(injected)
    assert (judgement.verdict, judgement.exit_code, judgement.score) == (Verdict.PASS, 0, None)
    unproven = record(kind="inject", faults=(fault(target(healed=None)),), series=())
    assert judge(unproven).exit_code == 3


def test_a_gate_passes_where_all_probes_hold_and_has_no_score() -> None:
    judgement = judge(gate(Outcome.GOOD, Outcome.GOOD))
    assert (judgement.verdict, judgement.score) == (Verdict.PASS, None)
    assert judgement.reasons == ("All held: gate-0, gate-1.",)


def test_a_gate_fails_by_one_probe_soft_or_hard() -> None:
    judgement = judge(gate(Outcome.GOOD, Outcome.BAD))
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reasons[0].startswith("gate-1 did not hold")


def _problem(kind: Any) -> Problem:
    return Problem(kind=kind, message="Stopped.")
