"""`chaosctl faults` tells the truth about what is live."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runner import ledger
from runner.model import Command, clock
from runner.targets.netns import Netns
from tests._alone import see
from tests._cli import Speaker
from tests._table import armed, planned


@pytest.fixture
def at(namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Netns:
    """The one namespace there is to look at."""
    see(monkeypatch, tmp_path, namespace)
    return namespace


def test_nothing_is_said_to_be_nothing(at: Netns, say: Speaker) -> None:
    assert say("faults").out == "No fault is live, and nothing is left behind.\n"
    assert json.loads(say("faults", "--output", "json").out) == []


def test_live_fault_is_told_with_who_and_how_long(at: Netns, say: Speaker) -> None:
    made = replace(armed(at, "aa22", 60), owner="ada@host pid 7", sentence="x cannot resolve y for 60s")
    ledger.write(made)
    said = say("faults")
    assert said.code == 0
    assert "aa22  live     x cannot resolve y for 60s" in said.out
    assert re.search(r"by ada@host pid 7; ends by itself in \d+(\.\d)?s", said.out)
    assert "chaosctl recover ID" in said.out
    ledger.undo(made)


def test_json_has_all_of_it(at: Netns, say: Speaker) -> None:
    made = armed(at, "aa22", 60)
    ledger.write(made)
    [told] = json.loads(say("faults", "--output", "json").out)
    assert told == {
        "id": "aa22",
        "fault": "network-dns",
        "state": "live",
        "sentence": made.sentence,
        "deadline": made.deadline,
        "environment": "",
        "owner": "a test",
        "targets": {at.name: "live"},
        "unseen": {},
        "unentered": {},
    }
    ledger.undo(made)


def test_fault_that_acts_no_longer_is_not_called_live(at: Netns, say: Speaker) -> None:
    made = armed(at, "aa22", 0.05)
    ledger.write(made)
    until = clock() + 10
    while "elements" in at.run(Command(("nft", "list", "ruleset"))):
        assert clock() < until
    said = say("faults")
    assert "aa22  inert" in said.out
    assert "acts no longer; what is left of it is harmless" in said.out
    assert "ends by itself in" not in said.out
    ledger.undo(made)


def test_entry_of_a_fault_that_never_came_is_not_called_live(at: Netns, say: Speaker) -> None:
    """A runner killed between its ledger entry and its first command."""
    made = planned(at, "aa22")
    ledger.write(made)
    said = say("faults")
    assert "aa22  absent" in said.out
    assert "nothing of it is at its targets" in said.out
    ledger.undo(made)


def test_fault_that_is_live_at_one_of_its_targets_is_live(
    namespaces: Callable[[], Netns], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Speaker
) -> None:
    one, other = namespaces(), namespaces()
    see(monkeypatch, tmp_path, one, other)
    gone, live = planned(one, "aa22"), armed(other, "aa22")
    made = replace(gone, sites=gone.sites + live.sites)
    ledger.write(made)
    [told] = json.loads(say("faults", "--output", "json").out)
    assert told["state"] == "live"
    assert told["targets"] == {one.name: "absent", other.name: "live"}
    ledger.undo(made)


def test_live_fault_whose_ledger_was_lost_is_told(at: Netns, say: Speaker) -> None:
    made = armed(at, "aa22", 60)
    [told] = json.loads(say("faults", "--output", "json").out)
    assert (told["id"], told["fault"], told["state"]) == ("aa22", "network-dns", "live")
    assert told["deadline"] == pytest.approx(made.deadline, abs=0.001)
    assert "in no ledger of this machine" in say("faults").out
    ledger.undo(made)


def test_damaged_ledger_file_is_named_beside_what_can_be_told(at: Netns, state: Path, say: Speaker) -> None:
    made = armed(at, "aa22")
    ledger.write(made)
    (state / "ledger" / "bb33.json").write_text('{"id":')
    said = say("faults", "--output", "json")
    assert [told["id"] for told in json.loads(said.out)] == ["aa22"]
    assert f"{state}/ledger/bb33.json is damaged" in said.err
    ledger.undo(made)


def test_fault_whose_cluster_is_not_known_any_more_is_listed_beside_the_others(
    at: Netns, say: Speaker, state: Path
) -> None:
    """A laboratory that was taken down in the middle of a fault."""
    live, lost = armed(at, "aa22", 60), planned(at, "bb33")
    lost = replace(lost, deadline=clock() - 90)
    ledger.write(live)
    ledger.write(lost)
    noted = state / "ledger" / "bb33.json"
    noted.write_text(noted.read_text().replace(at.name, "node:lab/worker-03"))
    said = say("faults")
    assert said.code == 4
    assert "aa22  live " in said.out
    assert re.search(
        r"bb33  unknown .*\n.*; its deadline was 90(\.\d)?s ago, but it could not be looked at: "
        r"node:lab/worker-03: Environment 'lab' has no Kubernetes cluster\.",
        said.out,
    )
    assert "Not all is known: bb33 could not be looked at everywhere." in said.err
    assert "chaosctl recover ID --gone" in said.err
    [_, told] = json.loads(say("faults", "--output", "json").out)
    assert (told["state"], told["targets"]) == ("unknown", {"node:lab/worker-03": "unknown"})
    assert list(told["unseen"]) == ["node:lab/worker-03"]
    ledger.give_up(ledger.find("bb33"))
    ledger.undo(live)
