"""What a cluster's ledger may say, and what of it nobody does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from runner import changes, discovery, tables
from runner.changes import Change, Field
from runner.credible import credible
from runner.entry import Entry, Site, written
from runner.model import Check, Command, Count, Steps

ID = "aa22bb33"
PATH = "/apis/apps/v1/namespaces/payment/deployments/payment-api"
CHANGE = changes.written(Change(ID, PATH, "u", (Field(("spec", "replicas"), 3, 1),), 60.0))
SCALED = Steps((), changes.undo(PATH, CHANGE), changes.checks(PATH, CHANGE))
OBJECT = Site("object:lab/deployment/payment/payment-api", "deployment:u", SCALED)
TABLE = Steps((), (tables.undo(ID),), (tables.check(ID),), tables.count(ID))


def entry(fault: str, *sites: Site) -> Entry:
    """Return an entry as it would be in the ledger."""
    return Entry(ID, fault, "pods in payment cannot resolve x", "lab", "ada@there pid 7", 1.0, 2.0, sites)


def told(made: Entry, **other: Any) -> str:
    """Return the entry as text, with other values in it."""
    return json.dumps({**written(made), **other})


def entered(target: str, identity: str = "boot:b node:n", steps: Steps = TABLE) -> Site:
    """Return a site of packet rules."""
    return Site(target, identity, steps)


LINKED = Steps((), tables.removal(ID, "netdev", linked=True), tables.checks(ID, "netdev", linked=True))
PARAMETER = "/api/v1/namespaces/chaosctl-parameters/configmaps/heartbeat-loss-aa22bb33"
ASKED = (Check(Command(("api", "until", PARAMETER)), live="^live", absent="not found"),)
SILENT = Steps((), (Command(("api", "DELETE", PARAMETER)),), ASKED)


@pytest.mark.parametrize(
    "made",
    [
        entry("network-dns", entered("pod:lab/payment/payment-api-0"), entered("ephemeral:lab/payment/payment-api-1")),
        entry("network-delay", entered("node:lab/worker-03.example.org", steps=LINKED)),
        entry("node-heartbeat-loss", entered("node:lab/worker-03", steps=SILENT)),
        entry("node-heartbeat-loss", entered("node:lab/worker-03")),
        entry("pod-kill", entered("pod:lab/payment/payment-api-0", steps=Steps((), (), ()))),
        entry("deployment-scale", OBJECT),
    ],
    ids=lambda made: made.fault,
)
def test_what_follows_from_fault_and_target_is_obeyed(made: Entry) -> None:
    found = credible(told(made), f"fault-{ID}")
    assert (found.id, [site.steps.undo for site in found.sites]) == (ID, [site.steps.undo for site in made.sites])


def running(*argv: str, stdin: str = "") -> Steps:
    """Return steps that run something else at the end."""
    return replace(TABLE, undo=(Command(argv, stdin),))


def forged(**other: Any) -> Site:
    """Return an object's site with another change in its undo than its check and target have."""
    change = changes.written(replace(changes.parsed(CHANGE), **other))
    return replace(OBJECT, steps=Steps((), changes.undo(PATH, change), changes.checks(PATH, change)))


@pytest.mark.parametrize(
    "made",
    [
        entry("network-dns", entered("node:lab/worker-03", steps=running("sh", "-c", "id"))),
        entry("network-dns", entered("node:lab/worker-03", steps=running("nft", "-f", "-", stdin="flush ruleset"))),
        entry("network-dns", entered("node:lab/worker-03", steps=running("api", "DELETE", PARAMETER))),
        entry("node-heartbeat-loss", entered("node:lab/w", steps=running("api", "DELETE", "/api/v1/namespaces/x"))),
        entry("network-dns", entered("local:lab/")),
        entry("network-dns", entered("netns:lab/payment-api")),
        entry("network-dns", entered("node:lab/../../namespaces/x")),
        entry("network-dns", entered("pod:lab/payment/..")),
        entry("network-dns", entered("node:lab/w", steps=replace(TABLE, undo=(tables.undo("mesh"),)))),
        entry("network-dns", entered("node:lab/w", steps=replace(TABLE, checks=(Check(Command(("id",)), "x", "y"),)))),
        entry("network-dns", entered("node:lab/w", steps=replace(TABLE, count=Count(Command(("id",)), "x")))),
        entry("network-dns", OBJECT),
        entry("node-drain", OBJECT),
        entry("deployment-scale", replace(OBJECT, target="object:lab/deployment/other/payment-api")),
        entry("deployment-scale", replace(OBJECT, identity="deployment:another")),
        entry("deployment-scale", forged(fault="cc44dd55")),
        entry("deployment-scale", forged(path=PATH + "/../x")),
        entry("deployment-scale", replace(OBJECT, steps=replace(SCALED, undo=()))),
        entry("deployment-scale", replace(OBJECT, steps=replace(SCALED, checks=()))),
        entry("deployment-scale", entered("object:lab/deployment/payment/payment-api", "deployment:u")),
    ],
    ids=lambda made: f"{made.fault}-{made.sites[0].target}",
)
def test_what_does_not_is_done_by_nobody(made: Entry) -> None:
    """Whoever may write a ConfigMap there is not to have the rights of whoever recovers."""
    with pytest.raises(ValueError, match=r"does not follow|is no entry of this version"):
        credible(told(made), f"fault-{ID}")


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"id": "mesh"}, "its id is none"),
        ({"id": ""}, "its id is none"),
        ({"id": "cc44dd55"}, "not the one in its name"),
        ({"deadline": float("inf")}, "its times"),
        ({"deadline": "soon"}, "no entry of this version"),
        ({"closed": 3.0}, "its times"),
        ({"owner": "ada\x1b[2J"}, "cannot be shown"),
        ({"sentence": None}, "no entry of this version"),
        ({"fault": "world-peace"}, "no entry of this version"),
        ({"sites": [{}]}, "no entry of this version"),
        ({"more": 1}, "no entry of this version"),
    ],
)
def test_what_is_no_entry_says_why(other: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        credible(told(entry("network-dns", entered("node:lab/worker-03")), **other), f"fault-{ID}")


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", "7", "{", "[" * 100_000], ids=lambda text: text[:4])
def test_other_text_is_no_entry_either(text: str) -> None:
    with pytest.raises(ValueError, match="no entry of this version"):
        credible(text, f"fault-{ID}")


@pytest.mark.parametrize("name", [name for name in discovery.names() if not discovery.fault(name).changes])
def test_all_faults_of_entered_targets_may_end_by_their_own_table(name: str) -> None:
    endings = discovery.fault(name).endings(ID)
    assert ((tables.undo(ID),), (tables.check(ID),)) in endings
    assert all(ID in str(ending) or ending == ((), ()) for ending in endings)
