"""The table of a fault, made, found, checked and removed by the real nft."""

import re
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
    assert (found.id, found.fault, found.family, found.linked) == ("abc234", "network-dns", "inet", False)
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


def linked(at: Netns, fault_id: str) -> None:
    """Put a table at an interface there, and a link as a fault that diverts packets has it."""
    said = tables.comment("network-delay", clock() + 60, linked=True)
    armed_set = "set armed { type ether_type; flags timeout; elements = { ip timeout 60s }\n}\n"
    text = f'table netdev chaos_{fault_id} {{ comment "{said}";\n{armed_set}}}\n'
    at.run(Command(("nft", "-f", "-"), text))
    for direction in ("out", "in"):
        add = ("ip", "link", "add", "name", tables.link(fault_id, direction), "group", str(tables.group(fault_id)))
        at.run(Command((*add, "type", "ifb")))


def links(at: Netns) -> set[str]:
    """Return the names of all links there but the loopback."""
    return {line.split()[0] for line in at.run(Command(("ip", "-brief", "link"))).splitlines()} - {"lo"}


def test_table_at_an_interface_is_found_with_its_links(namespace: Netns) -> None:
    linked(namespace, "abcd2345")
    [found] = tables.found(listed(namespace))
    assert (found.id, found.fault, found.family, found.linked) == ("abcd2345", "network-delay", "netdev", True)


def test_removal_takes_the_links_and_the_table_whether_they_are_there_or_not(namespace: Netns) -> None:
    linked(namespace, "abcd2345")
    linked(namespace, "abcd2346")
    for _ in range(2):
        for command in tables.removal("abcd2345", "netdev", linked=True):
            namespace.run(command)
        assert {found.id for found in tables.found(listed(namespace))} == {"abcd2346"}
        assert links(namespace) == {"chaos_abcd2346o", "chaos_abcd2346i"}
    for command in tables.removal("abcd2346", "netdev", linked=True):
        namespace.run(command)


def test_removal_cut_short_leaves_something_that_is_found_and_holds_nothing_back(namespace: Netns) -> None:
    for cut in (1, 2):
        linked(namespace, "abcd2345")
        commands = tables.removal("abcd2345", "netdev", linked=True)
        for command in commands[:cut]:
            namespace.run(command)
        [found] = tables.found(listed(namespace))
        assert found.linked
        assert "elements" not in namespace.run(tables.check("abcd2345", "netdev").command)
        for command in commands:
            namespace.run(command)
        assert (listed(namespace), links(namespace)) == ("", set())


def test_checks_of_links_tell_empty_from_absent(namespace: Netns) -> None:
    table, *checks = tables.checks("abcd2345", "netdev", linked=True)
    for check in (table, *checks):
        with pytest.raises(CommandFailed, match=check.absent):
            namespace.run(check.command)
    linked(namespace, "abcd2345")
    assert "ip timeout" in namespace.run(table.command)
    for check in checks:
        assert not re.search(check.live, namespace.run(check.command))
    held = "qdisc netem 8001: root refcnt 2\n Sent 0 bytes 0 pkt\n backlog 4326b 3p requeues 0\n"
    assert all(re.search(check.live, held) for check in checks)
    for command in tables.removal("abcd2345", "netdev", linked=True):
        namespace.run(command)
