"""The proof, told: one block a target, or one for all to which the same happened."""

from reports.proof import proof_lines
from reports.record import TargetRecord
from runner.model import Sight
from tests.reports._records import COMMITTED, EFFECTIVE, ENDED, HEALED, START, fault, look, target


def payment(number: int) -> TargetRecord:
    return target(f"netns:payment-{number:02}", committed=COMMITTED + number / 100, healed=HEALED + number / 100)


def unseen(name: str) -> TargetRecord:
    before, _, after = target().looks
    looks = (before, look("during", EFFECTIVE, Sight.UNCLEAR, "the resolver answered SERVFAIL"), after)
    return target(name, looks=looks, effective=None)


def test_a_few_targets_are_told_one_by_one() -> None:
    lines = proof_lines(fault(target("netns:b"), target("netns:a"), target("netns:c")), START)
    assert [line for line in lines if not line.startswith(" ")] == ["netns:a", "netns:b", "netns:c"]


def test_many_targets_that_are_alike_stand_as_one_with_their_range_of_times() -> None:
    lines = proof_lines(fault(*(payment(number) for number in range(48))), START)
    assert lines[0] == "48 targets: netns:payment-00, netns:payment-01, netns:payment-02 and 45 more"
    assert "  in place from +60.0s to +60.5s until +120.0s, ended by its deadline" in lines
    assert "  met by the workload 10,272 times" in lines
    assert len(lines) == 6


def test_the_odd_ones_among_many_are_named_with_what_is_odd() -> None:
    many = [payment(number) for number in range(20)]
    quiet = target("netns:a-quiet-one", hits=0)
    undone = target("netns:undone", ended=ENDED - 10, ended_how="undone")
    lines = proof_lines(fault(*many, unseen("netns:x-1"), unseen("netns:x-2"), quiet, undone), START)
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles[0].startswith("20 targets: ")
    assert sorted(titles[1:]) == ["2 targets: netns:x-1, netns:x-2", "netns:a-quiet-one", "netns:undone"]
    odd = lines[lines.index("2 targets: netns:x-1, netns:x-2") :]
    assert "  during  unclear  +61.0s            the resolver answered SERVFAIL" in odd
    assert "  not proven: its effect was never seen" in odd
    assert "  met by the workload 0 times" in lines
    assert "  in place from +60.0s until +110.0s, undone before its deadline" in lines


def test_the_looks_told_are_those_that_tell_most() -> None:
    looks = (
        look("before", START + 1, Sight.UNCLEAR, "two servers disagreed"),
        look("before", START + 2, Sight.ABSENT, "it resolves"),
        look("during", EFFECTIVE - 0.5, Sight.ABSENT, "not yet"),
        look("during", EFFECTIVE, Sight.PRESENT, "no answer"),
        look("during", EFFECTIVE + 30, Sight.PRESENT, "still no answer"),
        look("after", HEALED - 1, Sight.PRESENT, "not yet again"),
        look("after", HEALED, Sight.ABSENT, "it resolves again"),
    )
    told = "\n".join(proof_lines(fault(target(looks=looks)), START))
    assert all(words in told for words in ("absent   +2.0s", "present  +61.0s", "absent   +121.0s"))
    assert not any(words in told for words in ("disagreed", "not yet", "still"))


def test_a_target_that_nothing_is_known_of_is_told_so() -> None:
    bare = target(looks=(), committed=None, effective=None, ended=None, healed=None, hits=None, error="It was gone.")
    assert proof_lines(fault(bare), START) == [
        "netns:payment-api",
        "  never in place",
        "  whether the workload met it is not known",
        "  not proven: It was gone",
    ]
