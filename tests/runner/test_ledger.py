"""The ledger: on disk before anything happens, readable whatever happened to it, and true about its targets."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from runner import ledger, tables
from runner.errors import ChaosctlError, Missing, Residue, UsageError
from runner.ledger import Entry
from runner.model import Command, State, clock
from runner.targets.netns import Netns
from tests._table import armed, both, listed, planned


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory on a file system of 16 KiB, full to the last byte."""
    home = tmp_path / "tiny"
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(home)], check=True)
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    (home / "chaosctl" / "ledger").mkdir(parents=True)
    with (home / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space left"):
        filler.writelines(b"x" * 4096 for _ in range(8))
    yield home / "chaosctl" / "ledger"
    subprocess.run(["umount", str(home)], check=True)


def ids(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.id for entry in entries]


def without_inject(entry: Entry) -> Entry:
    return replace(entry, sites=tuple(replace(s, steps=replace(s.steps, inject=())) for s in entry.sites))


def test_entry_is_read_as_it_was_written_but_for_how_to_inject(namespace: Netns) -> None:
    made = planned(namespace, "aa22")
    counting = replace(made.sites[0], steps=replace(made.sites[0].steps, count=tables.count("aa22")))
    made = replace(made, sites=(counting,))
    ledger.write(made)
    assert ledger.entries() == (without_inject(made),)
    assert ledger.find("aa22") == without_inject(made)
    ledger.undo(made)


def test_entry_is_whole_on_disk_or_not_there(state: Path, namespace: Netns, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written goes to a file of another name first, and reaches the disk before it gets its own."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{handle}').readlink()}")
        fsync(handle)

    def renamed(path: Path, to: Path) -> Path:
        steps.append(f"rename {to}")
        return rename(path, to)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    ledger.write(planned(namespace, "aa22"))
    own = state / "ledger"
    assert steps == [
        f"fsync {own}/aa22.{os.getpid()}.draft",
        f"rename {own}/aa22.json",
        f"fsync {own}",
    ]
    ledger.undo(ledger.find("aa22"))


def test_open_entries_come_oldest_first_and_closed_ones_not_at_all(namespace: Netns) -> None:
    made = [replace(planned(namespace, fault_id), started=at) for fault_id, at in (("aa22", 3.0), ("bb33", 1.0))]
    for entry in made:
        ledger.write(entry)
    assert ids(ledger.entries()) == ["bb33", "aa22"]
    ledger.close(made[0])
    assert ids(ledger.entries()) == ["bb33"]
    assert ledger.find("aa22").closed == pytest.approx(clock(), abs=30)
    ledger.close(made[1])


def test_ids_cannot_be_misread_and_are_not_given_twice() -> None:
    made = {ledger.new_id() for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch("[a-hjkmnp-tv-z2-9]{8}", one) for one in made)


@pytest.mark.parametrize("unknown", ["zz99", "../../etc/passwd", "", "a b", "x" * 300])
def test_unknown_id_is_a_usage_error(unknown: str) -> None:
    with pytest.raises(UsageError, match="is known here"):
        ledger.find(unknown)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"id":"bb33","fault":"netw', b"[]", b"null", b'{"id": "bb33"}', b"\xff\xfe\x00", b'{"sites": [1]}'],
)
def test_damaged_file_is_named_and_hides_nothing(state: Path, namespace: Netns, content: bytes) -> None:
    live = armed(namespace, "aa22")
    ledger.write(live)
    broken = state / "ledger" / "bb33.json"
    broken.write_bytes(content)
    assert ids(ledger.entries()) == ["aa22"]
    [told] = ledger.damaged()
    assert str(broken) in told.message
    with pytest.raises(ChaosctlError, match="is damaged"):
        ledger.find("bb33")
    ledger.undo(live)
    assert tables.found(listed(namespace)) == ()
    assert ids(ledger.entries()) == []


def test_half_written_draft_is_no_entry(state: Path, namespace: Netns) -> None:
    """What SIGKILL in the midst of writing leaves."""
    ledger.write(planned(namespace, "aa22"))
    (state / "ledger" / "bb33.4711.draft").write_text('{"id":"bb')
    assert ids(ledger.entries()) == ["aa22"]
    assert ledger.damaged() == ()
    ledger.undo(ledger.find("aa22"))


def test_state_tells_live_from_inert_from_absent(namespace: Netns) -> None:
    made = planned(namespace, "aa22")
    assert ledger.state(made.sites[0]) is State.ABSENT
    made = armed(namespace, "aa22")
    assert ledger.state(made.sites[0]) is State.LIVE
    namespace.run(Command(("nft", "flush", "set", "inet", "chaos_aa22", "armed")))
    assert ledger.state(made.sites[0]) is State.INERT
    ledger.undo(made)
    assert ledger.state(made.sites[0]) is State.ABSENT


def test_state_that_cannot_be_seen_is_an_error_and_not_absent(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    check = replace(made.sites[0].steps.checks[0], command=Command(("sh", "-c", "echo strange >&2; exit 1")))
    blind = replace(made.sites[0], steps=replace(made.sites[0].steps, checks=(check,)))
    with pytest.raises(ChaosctlError, match="strange"):
        ledger.state(blind)
    ledger.undo(made)


def test_undo_can_be_repeated(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    ledger.write(made)
    for _ in range(3):
        ledger.undo(made)
        assert listed(namespace) == ""
        assert ledger.find("aa22").closed


def test_many_undos_at_once_leave_nothing_and_none_fails(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    ledger.write(made)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ledger.undo, [made] * 8))
    assert listed(namespace) == ""
    assert ids(ledger.entries()) == []


def test_undo_touches_nothing_of_others(namespace: Netns) -> None:
    namespace.run(Command(("nft", "add", "table", "inet", "theirs")))
    before = listed(namespace)
    ledger.undo(armed(namespace, "aa22"))
    assert listed(namespace) == before


def test_target_that_is_gone_took_the_fault_with_it(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    ledger.write(made)
    subprocess.run(["ip", "netns", "del", namespace.namespace], check=True)
    assert ledger.state(made.sites[0]) is State.ABSENT
    ledger.undo(made)
    assert ledger.find("aa22").closed


def test_target_made_again_under_its_name_is_not_touched(namespace: Netns) -> None:
    """Were a table of that very name there, it would be somebody else's."""
    made = armed(namespace, "aa22")
    ledger.write(made)
    subprocess.run(["ip", "netns", "del", namespace.namespace], check=True)
    subprocess.run(["ip", "netns", "add", namespace.namespace], check=True)
    armed(namespace, "aa22")
    assert ledger.state(made.sites[0]) is State.ABSENT
    ledger.undo(made)
    assert [found.id for found in tables.found(listed(namespace))] == ["aa22"]
    namespace.run(tables.undo("aa22"))


def test_reboot_took_the_fault_with_it(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    earlier = made.sites[0].identity.replace("boot:", "boot:0")
    before = replace(made, sites=(replace(made.sites[0], identity=earlier),))
    ledger.write(before)
    assert ledger.state(before.sites[0]) is State.ABSENT
    ledger.undo(before)
    assert ledger.find("aa22").closed
    assert [found.id for found in tables.found(listed(namespace))] == ["aa22"]
    namespace.run(tables.undo("aa22"))


def test_all_targets_are_tried_and_those_that_failed_are_named(namespaces: Callable[[], Netns]) -> None:
    one, other = namespaces(), namespaces()
    stuck = armed(one, "aa22")
    failing = replace(stuck.sites[0].steps, undo=(Command(("sh", "-c", "echo stuck >&2; exit 3")),))
    made = both(replace(stuck, sites=(replace(stuck.sites[0], steps=failing),)), armed(other, "aa22"))
    ledger.write(made)
    with pytest.raises(Residue, match=rf"Fault aa22 .* could not be undone: {one.name}: .* ended with 3: stuck"):
        ledger.undo(made)
    assert listed(other) == ""
    assert ids(ledger.entries()) == ["aa22"]
    ledger.undo(stuck)


def test_undo_that_changes_nothing_is_not_believed(namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    idle = replace(made.sites[0], steps=replace(made.sites[0].steps, undo=(Command(("true",)),)))
    ledger.write(made)
    with pytest.raises(Residue, match=f"{namespace.name} is still live"):
        ledger.undo(replace(made, sites=(idle,)))
    assert ids(ledger.entries()) == ["aa22"]
    ledger.undo(made)


def test_closed_entries_are_forgotten_after_a_month_and_open_ones_never(state: Path, namespace: Netns) -> None:
    for fault_id in ("aa22", "bb33", "cc44"):
        ledger.write(planned(namespace, fault_id))
    ledger.undo(ledger.find("aa22"))
    old = time.time() - 31 * 86400
    for name in ("aa22.closed", "bb33.json"):
        os.utime(state / "ledger" / name, (old, old))
    ledger.undo(ledger.find("cc44"))
    assert sorted(path.name for path in (state / "ledger").iterdir()) == ["bb33.json", "cc44.closed", "cc44.lock"]
    ledger.undo(ledger.find("bb33"))


def test_closed_entries_are_not_read_when_open_ones_are_looked_for(state: Path, namespace: Netns) -> None:
    ledger.write(planned(namespace, "aa22"))
    ledger.undo(ledger.find("aa22"))
    (state / "ledger" / "aa22.closed").write_text("no entry")
    assert (ledger.entries(), ledger.damaged()) == ((), ())
    ledger.write(replace(planned(namespace, "bb33"), closed=clock()))
    assert ledger.entries() == (), "as older versions left them"
    assert ledger.find("bb33").closed


def test_full_disk_is_said_before_anything_is_done(tiny: Path, namespace: Netns) -> None:
    with pytest.raises(Missing, match="cannot be written: No space left on device") as full:
        ledger.write(planned(namespace, "aa22"))
    assert "Make room" in full.value.fix
    assert list(tiny.iterdir()) == []


def test_disk_that_fills_up_meanwhile_keeps_nothing_from_being_undone(tiny: Path, namespace: Netns) -> None:
    made = armed(namespace, "aa22")
    with pytest.raises(Missing, match=r"Fault aa22 .* was undone, but stays listed"):
        ledger.undo(made)
    assert listed(namespace) == ""


def test_state_directory_that_is_none_is_named(
    tmp_path: Path, namespace: Netns, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with monkeypatch.context() as here:
        here.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        for attempt in (
            lambda: ledger.write(planned(namespace, "aa22")),
            lambda: ledger.locked("aa22").__enter__(),
            ledger.entries,
        ):
            with pytest.raises(Missing, match=r"file/chaosctl/ledger cannot be (written|read): Not a directory"):
                attempt()


def test_entry_says_in_plain_json_what_to_do(state: Path, namespace: Netns) -> None:
    """The last resort of a person without chaosctl."""
    ledger.write(planned(namespace, "aa22"))
    [site] = json.loads((state / "ledger" / "aa22.json").read_text())["sites"]
    assert site["target"] == namespace.name
    assert site["steps"]["undo"] == [
        {"argv": ["nft", "-f", "-"], "stdin": "add table inet chaos_aa22\ndelete table inet chaos_aa22\n"}
    ]
    ledger.undo(ledger.find("aa22"))
