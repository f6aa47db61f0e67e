"""Many targets, some of which fail: whether the fault goes on, what is undone at once, and what the record says."""

import json
from collections.abc import Callable

import pytest

from reports.record import FaultRecord
from runner import ledger
from runner.errors import Inconclusive, Residue, Unreachable, UsageError
from runner.ledger import Entry, Site
from runner.model import Steps, clock
from runner.plan import plan
from runner.targets import netns
from runner.targets.netns import Netns
from tests._cli import chaosctl
from tests._network import Network
from tests._scratch import Scratch, Scratched, left

Make = Callable[[], Netns]


def test_it_goes_on_without_the_targets_where_it_could_not_be_had(namespaces: Make) -> None:
    """One looks odd before, at one a command fails after it did its work, at one nothing shows; one is not there."""
    good, odd, failing, unseen = (namespaces() for _ in range(4))
    gone = Netns("ct-nowhere")
    made = Scratched(
        good, odd, failing, unseen, gone,
        at_least="1", odd_at=odd.name, fails_at=failing.name, unseen_at=unseen.name, duration="2s",
    )  # fmt: skip
    made.injection.start()
    assert left(good) == [made.injection.id]
    assert left(odd, failing, unseen) == [], "undone at once, while the fault goes on elsewhere"
    assert [course.at.name for course in made.injection.going] == [good.name]
    made.injection.wait()
    made.injection.finish()
    assert made.injection.healed
    assert made.words.count("left out") == 4
    record = FaultRecord.model_validate(made.injection.account())
    errors = {target.target: target.error for target in record.targets}
    assert record.at_least == 1
    assert errors[good.name] == ""
    assert "does not look as it should" in errors[odd.name]
    assert "ended with 9: broken" in errors[failing.name]
    assert "did not show" in errors[unseen.name]
    assert "There is no network namespace" in errors[gone.name]


@pytest.mark.parametrize(("at_least", "needed"), [("2", 2), ("50%", 2), ("100%", 3)])
def test_too_few_targets_undo_all(namespaces: Make, at_least: str, needed: int) -> None:
    targets = [namespaces() for _ in range(3)]
    odd, unseen = targets[0].name, targets[1].name
    made = Scratched(*targets, at_least=at_least, odd_at=odd, unseen_at=unseen, duration="300ms")
    assert made.injection.plan.needed == needed
    with pytest.raises(Inconclusive):
        made.injection.start()
    assert ("armed" in made.words) == (needed == 2), "one may be left out, two may not"
    assert left(*targets) == []
    assert ledger.entries() == ()


def test_too_few_says_how_many_and_why(namespaces: Make) -> None:
    good, bad = namespaces(), namespaces()
    made = Scratched(good, bad, Netns("ct-nowhere"), at_least="2", odd_at=bad.name)
    with pytest.raises(Inconclusive, match=r"2 of 3 targets had to be given up, and 2 are needed\. The first: ") as few:
        made.injection.start()
    assert "--at-least" in few.value.fix
    assert left(good) == []


def test_more_than_match_is_nothing_that_can_be_had(namespace: Netns) -> None:
    with pytest.raises(Inconclusive, match="asks for more than the 1 that match: nothing was touched"):
        plan(Scratch, {"where": namespace.name, "at_least": 2})
    assert plan(Scratch, {"where": namespace.name, "at_least": "1%"}).needed == 1
    for written in ("0", "0%", "101%", "-1", "1.5", "half", "", True, None):
        with pytest.raises(UsageError, match="--at-least"):
            plan(Scratch, {"where": namespace.name, "at_least": written})


def test_target_that_does_not_answer_may_still_have_the_fault(
    namespace: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is gone took the fault along; one that is silent is residue until it answers."""
    site = Site(namespace.name, namespace.identity(), Steps((), (), ()))
    entry = Entry("silent", "scratch", "", "", "a test", clock(), clock(), (site,))
    ledger.write(entry)

    def silent(_at: Netns) -> str:
        raise Unreachable(f"{namespace.name} did not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(netns.Netns, "identity", silent)
        with pytest.raises(Residue, match="did not answer"):
            ledger.undo(entry)
        assert [found.id for found in ledger.entries()] == ["silent"]
    ledger.undo(entry)
    assert ledger.entries() == ()


def test_command_line_says_where_it_was_left_out(net: Network, namespace: Netns) -> None:
    """The other namespace has no resolver of its own that answers there."""
    where = f"--on={net.client.name},{namespace.name}"
    said = chaosctl("inject", "network-dns", "--target=redis-cluster", where, "--duration=1s", "--at-least=50%")
    assert said.code == 0, said
    assert f"{namespace.name}: Before the fault, {namespace.name} does not look as it should" in said.out
    assert "proven and healed at 1 of 2 targets" in said.out
    strict = chaosctl("inject", "network-dns", "--target=redis-cluster", where, "--duration=1s", "--output=json")
    assert (strict.code, strict.out) == (3, ""), json.dumps(strict.out)
