"""The table of a fault, made, found, checked and removed by the real nft."""

from collections.abc import Iterator

import pytest

from runner import tables
from runner.errors import CommandFailed
from runner.model import Command, clock
from runner.targets.netns import Netns
from tests._table import armed, listed


@pytest.fixture(autouse=True)
def swept(namespace: Netns) -> Iterator[None]:
    """Remove what a test left in place."""
    yield
    namespace.run(Command(("nft", "flush", "ruleset")))


def test_table_is_found_with_its_fault_and_deadline(namespace: Netns) -> None:
    made = armed(namespace, "abc234", 60)
    [found] = tables.found(listed(namespace))
    assert (found.id, found.fault) == ("abc234", "network-dns")
    assert found.deadline == pytest.approx(made.deadline, abs=0.001)
    assert found.deadline == pytest.approx(clock() + 60, abs=30)


@pytest.mark.parametrize(
    "theirs",
    [
        'add table inet chaos_mesh { comment "not ours"; }',
        "add table inet chaos_mesh",
        'add table inet chaosctl { comment "chaosctl network-dns until 2026-01-01T00:00:00.000Z"; }',
        'add table inet chaos_UPPER { comment "chaosctl network-dns until 2026-01-01T00:00:00.000Z"; }',
        'add table inet chaos_abc { comment "chaosctl network-dns until -"; }',
        'add table ip chaos_abc { comment "chaosctl network-dns until 2026-01-01T00:00:00.000Z"; }',
    ],
)
def test_tables_that_do_not_say_they_are_ours_are_somebody_elses(namespace: Netns, theirs: str) -> None:
    """nft 1.0.6 wants a line of its own after the comment."""
    namespace.run(Command(("nft", "-f", "-"), theirs.replace("; }", ";\n}") + "\n"))
    assert tables.found(listed(namespace)) == ()


def test_several_are_found_among_others(namespace: Netns) -> None:
    for fault_id in ("aa22", "bb33"):
        armed(namespace, fault_id)
        namespace.run(Command(("nft", "add", "table", "inet", f"theirs_{fault_id}")))
    assert {found.id for found in tables.found(listed(namespace))} == {"aa22", "bb33"}


def test_undo_removes_it_whether_it_is_there_or_not_and_nothing_else(namespace: Netns) -> None:
    armed(namespace, "aa22")
    armed(namespace, "aa222")
    for _ in range(2):
        namespace.run(tables.undo("aa22"))
        assert {found.id for found in tables.found(listed(namespace))} == {"aa222"}


def test_check_tells_live_from_inert_from_absent(namespace: Netns) -> None:
    check = tables.check("aa22")
    with pytest.raises(CommandFailed, match=check.absent):
        namespace.run(check.command)
    armed(namespace, "aa22")
    assert check.live in namespace.run(check.command).replace("{", r"\{")
    namespace.run(Command(("nft", "flush", "set", "inet", "chaos_aa22", "armed")))
    assert "elements" not in namespace.run(check.command)
