"""What faults left behind where no ledger knows of it."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import ledger, residue
from runner.errors import ChaosctlError, Missing
from runner.model import Command, State, clock
from runner.targets.local import Local
from runner.targets.netns import Netns
from tests._alone import see
from tests._cli import AS_NOBODY, CHAOSCTL
from tests._network import OURS
from tests._table import armed, both, listed

Make = Callable[[], Netns]


def here(*namespaces: Netns) -> list[ledger.Entry]:
    """Return the strays in these namespaces; others may test on this machine too."""
    names = {at.name for at in namespaces}
    return [entry for entry in residue.strays() if names & {site.target for site in entry.sites}]


def test_live_fault_without_a_ledger_is_found_with_fault_and_deadline_and_can_be_undone(namespace: Netns) -> None:
    made = armed(namespace, "aa22", 60)
    [found] = here(namespace)
    assert (found.id, found.fault, found.closed) == ("aa22", "network-dns", None)
    assert found.deadline == pytest.approx(made.deadline, abs=0.001)
    assert ledger.state(found.sites[0]) is State.LIVE
    ledger.undo(found)
    assert listed(namespace) == ""
    assert here(namespace) == []


def test_fault_that_ended_and_was_never_swept_is_found(namespace: Netns) -> None:
    armed(namespace, "aa22", 0.1)
    [found] = here(namespace)
    until = clock() + 10
    while ledger.state(found.sites[0]) is State.LIVE:
        assert clock() < until
    assert ledger.state(found.sites[0]) is State.INERT
    ledger.undo(found)
    assert here(namespace) == []


def test_what_the_ledger_knows_is_no_stray_until_its_entry_is_closed(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    ledger.write(made)
    assert here(namespace) == []
    ledger.close(made)
    assert [entry.id for entry in here(namespace)] == ["aa22"]
    ledger.undo(made)


def test_one_fault_at_several_targets_is_one_stray(namespaces: Make) -> None:
    """Were it several with one id, undoing that id would undo one of them and say that nothing is left."""
    one, other = namespaces(), namespaces()
    armed(one, "aa22", 30)
    last = armed(other, "aa22", 60)
    [found] = here(one, other)
    assert {site.target for site in found.sites} == {one.name, other.name}
    assert found.deadline == pytest.approx(last.deadline, abs=0.001)
    ledger.undo(found)
    assert listed(one) == listed(other) == ""


def test_everything_joins_what_the_ledger_knows_of_a_fault_with_what_it_does_not(
    namespaces: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, third = namespaces(), namespaces(), namespaces()
    see(monkeypatch, tmp_path, one, other, third)
    known = armed(one, "aa22")
    ledger.write(known)
    armed(other, "aa22")
    armed(third, "bb33")
    first, second = residue.everything()
    assert (first.id, second.id) == ("aa22", "bb33")
    assert first.owner == known.owner
    assert [site.target for site in first.sites] == [one.name, other.name]
    for entry in (first, second):
        ledger.undo(entry)
    assert residue.everything() == ()


def test_half_undone_fault_stays_listed_at_the_other_target(
    namespaces: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = namespaces(), namespaces()
    see(monkeypatch, tmp_path, one, other)
    made = both(armed(one, "aa22"), armed(other, "aa22"))
    ledger.write(made)
    one.run(Command(("nft", "delete", "table", "inet", "chaos_aa22")))
    [found] = residue.everything()
    assert [ledger.state(site) for site in found.sites] == [State.ABSENT, State.LIVE]
    ledger.undo(found)


def test_rules_of_others_are_never_found(namespace: Netns) -> None:
    for rule in ("add table inet chaos_mesh", "add table inet filter", "add table ip chaos_abc"):
        namespace.run(Command(("nft", *rule.split())))
    namespace.run(Command(("nft", "-f", "-"), 'add table inet chaos_abcd2345 { comment "of somebody else";\n}\n'))
    assert here(namespace) == []


def test_namespace_that_goes_away_meanwhile_is_no_error(namespace: Netns) -> None:
    left = Netns(f"ct-{OURS}-stale")
    left.path.touch()
    try:
        armed(namespace, "aa22")
        assert [entry.id for entry in here(namespace, left)] == ["aa22"]
    finally:
        left.path.unlink()
    ledger.undo(here(namespace)[0])


def test_not_being_allowed_to_look_is_not_finding_nothing(namespace: Netns, tmp_path: Path) -> None:
    for command in ("faults", "recover"):
        argv = [*AS_NOBODY, CHAOSCTL, command, *(["--all"] if command == "recover" else [])]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 4
        assert re.search("was not permitted|could not be entered", done.stderr)
        assert "root" in done.stderr
        assert done.stdout == ""


def test_nft_that_fails_is_not_finding_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for an nft whose kernel does not answer it."""
    nft = tmp_path / "nft"
    nft.write_text("#!/bin/sh\necho 'netlink: Error: Device or resource busy' >&2; exit 1\n")
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin")
    with pytest.raises(ChaosctlError, match="Device or resource busy"):
        residue.strays()


def test_ledger_that_may_not_be_read_is_not_an_empty_one(
    state: Path, namespace: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain file stands for a directory without permission, which root would not notice."""
    state.mkdir(parents=True)
    (state / "ledger").touch()
    with pytest.raises(Missing, match="What is live is not known"):
        residue.everything()
    (state / "ledger").unlink()


def test_this_machine_is_looked_at_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, namespace: Netns) -> None:
    """The namespace stands for this machine, whose own rules no test touches."""
    see(monkeypatch, tmp_path)
    monkeypatch.setattr(Local, "run", lambda _, command: namespace.run(command))
    made = armed(namespace, "aa22")
    assert [(entry.id, entry.sites[0].target) for entry in residue.strays()] == [("aa22", "local")]
    ledger.undo(made)
