"""A fault's table put into a namespace by hand, as the file of a fault would do it."""

from dataclasses import replace

from runner import tables
from runner.ledger import Entry, Site
from runner.model import Command, Steps, clock
from runner.targets import Target


def armed(at: Target, fault_id: str, seconds: float = 60.0) -> Entry:
    """Put a table there, with a rule that matches nothing real, and return the entry for it, not yet written."""
    made = planned(at, fault_id, seconds)
    for command in made.sites[0].steps.inject:
        at.run(command)
    return made


def planned(at: Target, fault_id: str, seconds: float = 60.0) -> Entry:
    """Return the entry of a fault that was not injected."""
    now = clock()
    name, deadline = tables.table(fault_id), now + seconds
    text = (
        f'create table inet {name} {{ comment "{tables.comment("network-dns", deadline)}"; }}\n'
        f"table inet {name} {{\n"
        f"set armed {{ type inet_service; flags timeout; elements = {{ 9 timeout {round(seconds * 1000)}ms }}\n}}\n"
        "chain input { type filter hook input priority -150; udp sport @armed drop\n}\n}\n"
    )
    steps = Steps(
        inject=(Command(("nft", "-f", "-"), text),),
        undo=(tables.undo(fault_id),),
        checks=(tables.check(fault_id),),
        notes=("a note",),
    )
    site = Site(at.name, at.identity(), steps)
    return Entry(fault_id, "network-dns", "nothing cannot resolve nothing", "", "a test", now, deadline, (site,))


def both(one: Entry, other: Entry) -> Entry:
    """Return one fault at the targets of two."""
    return replace(one, sites=one.sites + other.sites)


def listed(at: Target) -> str:
    """Return the packet rules there."""
    return at.run(tables.LISTING)
