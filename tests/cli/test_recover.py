"""`chaosctl recover` leaves nothing, says so only when it is so, and can be repeated."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from runner import ledger, lock, residue
from runner.entry import LEFTOVER
from runner.model import Command, clock
from runner.origin import owner
from runner.targets.netns import Netns
from tests._alone import see
from tests._api_server import cluster
from tests._cli import Speaker, chaosctl
from tests._table import armed, both, listed, planned

Make = Callable[[], Netns]


@pytest.fixture
def at(namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Netns:
    """The one namespace there is to look at."""
    see(monkeypatch, tmp_path, namespace)
    return namespace


@pytest.mark.parametrize("how", [["aa22"], ["--all"]])
@pytest.mark.parametrize("known", [True, False])
def test_live_fault_is_undone_whether_the_ledger_knows_it_or_not(
    at: Netns, say: Speaker, how: list[str], known: bool
) -> None:
    made = armed(at, "aa22")
    if known:
        ledger.write(made)
    said = say("recover", *how)
    assert (said.code, said.out) == (0, "Undone: aa22. Nothing of it is left.\n")
    assert listed(at) == ""
    assert ledger.entries() == ()
    again = say("recover", *how)
    assert (again.code, again.out) == (0, "Nothing to undo.\n")


@pytest.mark.parametrize("how", [["aa22"], ["--all"]])
def test_fault_without_a_ledger_is_undone_at_all_its_targets(
    namespaces: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Speaker, how: list[str]
) -> None:
    one, other = namespaces(), namespaces()
    see(monkeypatch, tmp_path, one, other)
    both(armed(one, "aa22"), armed(other, "aa22"))
    said = say("recover", *how)
    assert (said.code, said.out) == (0, "Undone: aa22. Nothing of it is left.\n")
    assert listed(one) == listed(other) == ""


def test_closed_fault_that_is_there_again_is_undone(at: Netns, say: Speaker) -> None:
    """As by a command that was in flight when its runner was killed, and landed after everything was undone."""
    made = armed(at, "aa22")
    ledger.undo(made)
    armed(at, "aa22")
    assert say("recover", "aa22").out == "Undone: aa22. Nothing of it is left.\n"
    assert listed(at) == ""


def test_unknown_id_is_a_usage_error(at: Netns, say: Speaker) -> None:
    said = say("recover", "zz99")
    assert said.code == 2
    assert said.err == "chaosctl: No fault 'zz99' is known here.\n  `chaosctl faults` lists those that are.\n"


@pytest.mark.parametrize("arguments", [[], ["aa22", "--all"], ["aa22", "--everyone"]])
def test_it_must_be_said_what_to_undo(at: Netns, say: Speaker, arguments: list[str]) -> None:
    said = say("recover", *arguments)
    assert said.code == 2
    assert "It was not said what to undo" in said.err


def test_only_the_one_is_undone(at: Netns, say: Speaker) -> None:
    for fault_id in ("aa22", "bb33"):
        ledger.write(armed(at, fault_id))
    say("recover", "aa22")
    assert "chaos_aa22" not in listed(at)
    assert "chaos_bb33" in listed(at)
    assert say("recover", "--all").out == "Undone: bb33. Nothing of it is left.\n"


@pytest.mark.parametrize("whose", ["bob@{here} pid {me}", "ci@runner-7 pid 1"])
def test_fault_of_somebody_elses_run_that_goes_on_is_left_and_told_unless_everyones_is_meant(
    at: Netns, say: Speaker, whose: str
) -> None:
    owned = whose.format(here=socket.gethostname(), me=os.getpid())
    ledger.write(replace(armed(at, "aa22"), owner=owned))
    ledger.write(replace(armed(at, "bb33"), owner=owner()))
    said = say("recover", "--all")
    assert said.code == 0
    first, second = said.out.splitlines()
    assert first == "Undone: bb33. Nothing of it is left."
    assert first != second
    assert all(word in second for word in (f"In use: aa22, by {owned}", "chaosctl recover aa22", "--everyone"))
    assert "chaos_aa22" in listed(at)
    assert json.loads(say("recover", "--all", "--output=json").out) == {
        "undone": [],
        "in_use": ["aa22"],
        "failures": [],
    }
    assert say("recover", "--everyone").out == "Undone: aa22. Nothing of it is left.\n"
    assert listed(at) == ""


def test_fault_of_somebody_elses_run_that_is_over_is_undone(at: Netns, say: Speaker) -> None:
    """Its process is not there any more, or its deadline has passed wherever it was."""
    with subprocess.Popen(["true"]) as ended:
        pass
    ledger.write(replace(armed(at, "aa22"), owner=f"bob@{socket.gethostname()} pid {ended.pid}"))
    ledger.write(replace(armed(at, "bb33", 0.1), owner="ci@runner-7 pid 1"))
    until = clock() + 10
    while clock() < until and len(residue.in_use(residue.everything())):
        continue
    assert json.loads(say("recover", "--all", "--output=json").out)["in_use"] == []
    assert listed(at) == ""


def test_fault_of_a_runner_whose_node_pods_were_left_behind_is_in_nobodys_use(at: Netns) -> None:
    live = replace(planned(at, "aa22"), owner="ci@runner-7 pid 1")
    pods = replace(planned(at, "cc44"), owner=live.owner, fault=LEFTOVER, deadline=0.0)
    assert residue.in_use([live]) == (live,)
    assert residue.in_use([live, pods]) == ()


def test_rules_of_others_survive_undoing_everything(at: Netns, say: Speaker) -> None:
    for rule in ("add table inet chaos_mesh", "add table ip chaos_abcd", "add table inet filter"):
        at.run(Command(("nft", *rule.split())))
    before = at.run(Command(("nft", "list", "ruleset")))
    armed(at, "aa22")
    say("recover", "--all")
    assert at.run(Command(("nft", "list", "ruleset"))) == before


def test_what_cannot_be_undone_is_named_and_the_rest_is_undone(at: Netns, say: Speaker) -> None:
    stuck = armed(at, "aa22")
    failing = replace(stuck.sites[0].steps, undo=(Command(("sh", "-c", "echo stuck >&2; exit 3")),))
    ledger.write(replace(stuck, started=1.0, sites=(replace(stuck.sites[0], steps=failing),)))
    ledger.write(armed(at, "bb33"))
    said = say("recover", "--all", "--output", "json")
    assert said.code == 6
    told = json.loads(said.out)
    assert told["undone"] == ["bb33"]
    assert "chaos_bb33" not in listed(at)
    [failure] = told["failures"]
    assert all(word in failure for word in ("aa22", at.name, "ended with 3: stuck"))
    assert failure in said.err
    assert "chaosctl recover --all" in said.err
    ledger.undo(stuck)


def test_damaged_ledger_file_is_named_and_the_rest_is_undone(at: Netns, state: Path, say: Speaker) -> None:
    ledger.write(armed(at, "aa22"))
    armed(at, "bb33")
    broken = state / "ledger" / "cc44.json"
    broken.write_text("")
    said = say("recover", "--all")
    assert said.code == 6
    assert str(broken) in said.err
    assert listed(at) == ""
    broken.unlink()
    assert say("recover", "--all").code == 0


def test_damaged_file_of_a_fault_that_can_be_found_is_made_whole_by_undoing_it(
    at: Netns, state: Path, say: Speaker
) -> None:
    ledger.write(armed(at, "aa22"))
    (state / "ledger" / "aa22.json").write_text('{"id":')
    assert say("recover", "aa22").code == 0
    assert say("recover", "--all").out == "Nothing to undo.\n"


def test_two_at_once_both_end_well(at: Netns) -> None:
    """In processes of their own, as two people would at night."""
    ledger.write(armed(at, "aa22"))
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: chaosctl("recover", "aa22"), range(2)))
    assert [one.code for one in said] == [0, 0], said
    assert listed(at) == ""
    assert ledger.entries() == ()


def test_command_that_keeps_the_lock_for_ever_is_residue_with_its_name(
    at: Netns, say: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_LIMIT", 0.2)
    ledger.write(armed(at, "aa22"))
    with ledger.locked("aa22") as handle:
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    said = say("recover", "aa22")
    assert said.code == 6
    assert f"process {orphan.pid} (`sleep 60`)" in said.err
    os.kill(orphan.pid, signal.SIGKILL)
    orphan.wait()
    assert say("recover", "aa22").code == 0


def test_fault_whose_target_is_gone_for_good_can_be_forgotten(at: Netns, say: Speaker) -> None:
    made = planned(at, "aa22")
    away = replace(made.sites[0], target="ssh:root@127.0.0.1:1")
    ledger.write(replace(made, sites=(away,)))
    said = say("recover", "aa22")
    assert said.code == 6
    assert "chaosctl recover ID --gone" in said.err
    assert [entry.id for entry in ledger.entries()] == ["aa22"]
    said = say("recover", "aa22", "--gone")
    assert (said.code, said.out[:15]) == (0, "Forgotten: aa22")
    assert "ssh:root@127.0.0.1:1" in said.out
    assert ledger.entries() == ()
    assert say("recover", "aa22").out == "Nothing to undo.\n"


def test_target_that_answers_with_the_fault_is_not_forgotten(at: Netns, say: Speaker) -> None:
    ledger.write(armed(at, "aa22"))
    said = say("recover", "aa22", "--gone")
    assert (said.code, said.out) == (6, "")
    assert f"{at.name} is not gone: something of fault aa22" in said.err
    assert [entry.id for entry in ledger.entries()] == ["aa22"]
    assert say("recover", "--all", "--gone").code == 2
    assert say("recover", "aa22").code == 0


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that is chosen where nobody says is a cluster whose API server does not answer."""
    pinned = {"context": "payment", "uid": "uid", "kubeconfig": str(tmp_path / "kubeconfig")}
    with cluster(tmp_path, "uid"):
        pass
    file = tmp_path / "chaosctl.yaml"
    file.write_text(
        json.dumps({"default": "shared", "environments": {"shared": {"kind": "lab", "kubernetes": pinned}}})
    )
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(file))


def test_cluster_that_is_away_keeps_nobody_from_seeing_what_is_here(at: Netns, away: None, say: Speaker) -> None:
    nothing = say("faults")
    assert nothing.code == 4
    assert nothing.out == "No fault is live on this machine, and nothing is left behind here.\n"
    made = armed(at, "aa22")
    said = say("faults")
    assert said.code == 4
    assert "aa22  live" in said.out
    assert "does not answer" in said.err
    ledger.undo(made)


def test_cluster_that_is_away_keeps_nobody_from_undoing_what_is_here(at: Netns, away: None, say: Speaker) -> None:
    ledger.write(armed(at, "aa22"))
    assert say("recover", "aa22").out == "Undone: aa22. Nothing of it is left.\n"
    assert listed(at) == ""


def test_cluster_that_is_away_keeps_no_halt_from_what_is_here(
    at: Netns, away: None, say: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.cli.halt._PATIENCE", 0.0)
    ledger.write(armed(at, "aa22"))
    said = say("halt")
    assert listed(at) == ""
    assert "Stopped: aa22." in said.out
    assert said.code == 4
    assert "The halt holds on this machine, and for no cluster: The API server" in said.err
