"""Forged entries in the ledger of a real cluster: nothing of what they say is done, by whoever recovers."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner import changes
from runner.entry import Entry, Site, written
from runner.model import Check, Command, Steps, clock
from runner.remote import pods
from runner.targets.node import NodeTarget
from tests._cli import chaosctl
from tests._kubernetes import OURS, here, left, until
from tests.kubernetes._guarded import DEPLOYMENTS, elsewhere, killed, mark, recovered

ID = "aa22bb33"
VICTIM = "/api/v1/namespaces/default/configmaps/victim"
POOLED = f"{DEPLOYMENTS}/payment-pooled"


@pytest.fixture
def victim(kube: Any) -> Iterator[str]:
    """An object that is none of ours."""
    here().delete(VICTIM)
    here().create("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "victim"}})
    yield VICTIM
    here().delete(VICTIM)
    assert until("nothing of ours", lambda: not left())


def put(entry: Entry) -> None:
    """Have an entry in the ledger as whoever may write ConfigMaps there."""
    text = {"entry": json.dumps(written(entry)), "sentence": entry.sentence, "owner": entry.owner}
    made = pods.config_map(f"fault-{entry.id}", "chaosctl", "fault", text)
    here().create(f"{OURS}/configmaps", made)


def forged(*undo: Command, look: Command) -> Entry:
    """Return an entry at a real node that has something else done."""
    node = NodeTarget(here(), "worker-03")
    steps = Steps((), undo, (Check(look, live="victim", absent="not found"),))
    site = Site(node.name, node.identity(), steps)
    return Entry(ID, "network-delay", "x", here().environment, "a test", clock(), clock() - 1, (site,))


@pytest.mark.parametrize("by", ["undo", "look"])
def test_forged_command_is_run_by_nobody_and_told(victim: str, tmp_path: Path, by: str) -> None:
    delete = Command(("api", "DELETE", victim))
    put(forged(delete, look=Command(("api", "GET", victim))) if by == "undo" else forged(look=delete))
    try:
        fault_id = killed(["inject", "deployment-scale", "--on=deployment:payment/payment-pooled", "--to=0"])
        for words in (["faults"], ["recover", ID], ["recover", "--all"]):
            done = chaosctl(*words, XDG_STATE_HOME=str(tmp_path / "elsewhere"))
            assert f"configmap fault-{ID} in namespace chaosctl" in done.err, done
            assert "what it says to do at 'node:" in done.err
            assert f"kubectl -n chaosctl delete configmap fault-{ID}" in done.err
            assert here().find(victim) is not None
        assert f"Undone: {fault_id}" in done.out, "the other one is not kept from anybody"
    finally:
        here().delete(f"{OURS}/configmaps/fault-{ID}")


def test_what_was_there_before_is_not_had_from_the_ledger(victim: str, tmp_path: Path) -> None:
    fault_id = killed(["inject", "deployment-scale", "--on=deployment:payment/payment-pooled", "--to=0"])
    path = f"{OURS}/configmaps/fault-{fault_id}"
    text = here().get(path)["data"]["entry"]
    entry = json.loads(text)
    change = changes.parsed(entry["sites"][0]["steps"]["undo"][0]["stdin"])
    before = changes.Field(("spec", "replicas"), 7, 0)
    other = changes.written(replace(change, fields=(before,)))
    for command in (entry["sites"][0]["steps"]["undo"][0], entry["sites"][0]["steps"]["checks"][0]["command"]):
        command["stdin"] = other
    here().patch(path, {"data": {"entry": json.dumps(entry)}})
    recovered(tmp_path, fault_id)
    assert (here().get(POOLED)["spec"]["replicas"], mark(POOLED)) == (2, "")


def test_forged_node_pod_has_nobody_elses_object_deleted(victim: str, tmp_path: Path) -> None:
    session = here().create(f"{OURS}/configmaps", pods.session(ID, "chaosctl", "a test"))["metadata"]
    made = pods.node_pod(
        ID, "chaosctl", "worker-03", here().pinned.image, {"name": session["name"], "uid": session["uid"]}
    )
    made["metadata"]["ownerReferences"][0]["name"] = f"../../default/configmaps/{victim.rpartition('/')[2]}"
    made["spec"]["activeDeadlineSeconds"] = 1
    here().create(f"{OURS}/pods", made)
    until("the end of the pod", lambda: any(each["fault"] == "node-pod" for each in elsewhere(tmp_path, "faults")))
    assert ID in elsewhere(tmp_path, "recover", "--all")["undone"]
    assert here().find(victim) is not None
