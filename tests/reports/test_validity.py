"""What a run must show before anything is concluded: each gap makes it inconclusive and is named."""

from typing import Any

import pytest

from reports.record import Judgement, Promise
from reports.verdict import judge
from runner.model import EndsBy, Outcome, Sight, Verdict
from tests.reports._records import COMMITTED, HEALED, SECONDS, START, bad_at, fault, gate, look, record, series, target

UNPROVEN: dict[str, dict[str, Any]] = {
    "an error": {"error": "`nft` at netns:a ended with 1: no such file."},
    "no look before": {"looks": target().looks[1:]},
    "present before": {"looks": (look("before", START, Sight.PRESENT), *target().looks)},
    "unclear before": {"looks": (look("before", START + 3, Sight.UNCLEAR), *target().looks)},
    "never present": {
        "looks": (target().looks[0], look("during", COMMITTED, Sight.UNCLEAR, "two answers"), target().looks[2])
    },
    "not gone after": {"looks": (*target().looks, look("after", HEALED + 5, Sight.PRESENT))},
    "no look after": {"looks": target().looks[:2]},
    "not committed": {"committed": None},
    "never effective": {"effective": None},
    "never healed": {"healed": None},
}


@pytest.mark.parametrize("changes", UNPROVEN.values(), ids=UNPROVEN.keys())
def test_every_gap_in_the_proof_of_one_target_of_two_is_inconclusive(changes: dict[str, Any]) -> None:
    judgement = judge(record(faults=(fault(target(), target("netns:b", **changes)),)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.score is None
    assert judgement.reasons[0].startswith("network-dns was not proven at 1 of its 2 targets. At netns:b, ")


def test_targets_that_were_given_up_do_not_count_where_fewer_were_asked_for() -> None:
    """Whether enough are left is what decides, not which ones."""
    faulty = target("netns:b", **UNPROVEN["an error"])
    assert judge(record(faults=(fault(target(), faulty, at_least=1),))).verdict is Verdict.PASS
    assert judge(record(faults=(fault(target(), faulty, at_least=2),))).verdict is Verdict.INCONCLUSIVE


def test_a_look_that_was_unclear_before_a_clear_one_does_no_harm() -> None:
    polled = target(
        looks=(
            look("before", START, Sight.UNCLEAR),
            *target().looks,
            look("during", COMMITTED, Sight.ABSENT),
            look("after", HEALED - 0.5, Sight.PRESENT),
        )
    )
    assert judge(record(faults=(fault(polled),))).verdict is Verdict.PASS


def test_a_fault_without_targets_is_inconclusive() -> None:
    judgement = judge(record(faults=(fault().model_copy(update={"targets": ()}),)))
    assert judgement.reasons == ("network-dns met no target: nothing matched its selectors.",)


@pytest.mark.parametrize(("hits", "words"), [(0, "ran into the fault 0 times"), (None, "is not known")])
def test_a_workload_that_never_met_the_fault_is_inconclusive(hits: int | None, words: str) -> None:
    judgement = judge(record(faults=(fault(target(hits=hits), target("netns:b", hits=hits)),)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert words in judgement.reasons[0]


def test_one_target_that_met_the_workload_is_enough() -> None:
    both = fault(target(hits=0), target("netns:b", hits=3), target("netns:c", hits=None))
    assert judge(record(faults=(both,))).verdict is Verdict.PASS


def test_each_fault_must_be_met() -> None:
    unmet = fault(target(hits=0), id="f2", name="etcd-latency")
    judgement = judge(record(faults=(fault(), unmet)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0].startswith("The workload never met etcd-latency")


def test_a_baseline_that_did_not_hold_is_inconclusive() -> None:
    judgement = judge(record(series=(series(), series(bad_at(57), "p99"))))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0].startswith("The baseline of p99 did not hold: 4 of the last 5 samples")


def test_only_the_last_samples_before_the_fault_are_the_baseline() -> None:
    assert judge(record(series=(series(bad_at(54)),))).verdict is Verdict.PASS


def test_a_missing_sample_in_the_baseline_is_not_a_good_one() -> None:
    unseen = series(bad_at(58, outcome=Outcome.UNREACHABLE))
    assert judge(record(series=(unseen,))).verdict is Verdict.INCONCLUSIVE
    skipped = [second for second in range(SECONDS) if second != 58]
    gap = series([Outcome.GOOD] * len(skipped), offsets=tuple(skipped))
    assert judge(record(series=(gap,))).verdict is Verdict.INCONCLUSIVE


def test_under_nine_tenths_of_the_samples_are_too_few() -> None:
    """The watch is over with the fifth good sample after the heal, at +125 s: 125 are owed, 113 are enough."""
    enough = series(bad_at(*range(12), outcome=Outcome.NAN))
    sparse = series(bad_at(*range(14), outcome=Outcome.NAN))
    assert judge(record(series=(enough,))).verdict is Verdict.PASS
    judgement = judge(record(series=(sparse,)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "has 112 of the 125 samples expected" in judgement.reasons[0]


def test_a_fault_that_was_sampled_fewer_than_five_times_is_inconclusive() -> None:
    slow = series([Outcome.GOOD] * 12, interval=16.0, offsets=tuple(range(0, 192, 16)))
    judgement = judge(record(series=(slow,), promise=Promise(baseline=2)))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "was sampled 4 times while the fault acted" in judgement.reasons[0]


def test_a_one_shot_fault_may_be_over_before_five_samples() -> None:
    kill = fault(target(ended=COMMITTED + 1, healed=COMMITTED + 2), ends_by=EndsBy.ONE_SHOT)
    assert judge(record(faults=(kill,))).verdict is Verdict.PASS


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome not in (Outcome.GOOD, Outcome.BAD)])
def test_a_gate_without_data_never_passes(outcome: Outcome) -> None:
    assert judge(gate(Outcome.GOOD, outcome)).verdict is Verdict.INCONCLUSIVE


def test_an_experiment_whose_method_left_no_fault_is_no_gate() -> None:
    judgement: Judgement = judge(record(faults=(), journal={"experiment": {"method": [{"type": "action"}]}}))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.reasons[0].startswith("No fault was recorded")
