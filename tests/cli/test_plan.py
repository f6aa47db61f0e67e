"""`chaosctl plan` says what would be touched, and touches nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from runner import ledger
from runner.model import Command
from runner.targets.netns import Netns
from tests._alone import see
from tests._cli import Speaker
from tests._experiments import experiment, python, touching
from tests._network import Network
from tests._table import armed

DNS = "plan", "network-dns", "--target=redis-cluster"


@pytest.fixture
def system(net: Network, tmp_path: Path) -> Path:
    """An environment whose one host is the client of the network."""
    host = {"reach": net.client.name, "namespace": "payment", "labels": {"app": "api"}}
    limits = {"max_duration": "60s", "protected": {"nodes": ["worker-*"]}}
    environment = {"kind": "lab", "duration": "20s", "hosts": {"api": host}, "guardrails": limits}
    environment["variables"] = {"duration": "30s"}
    (tmp_path / "chaosctl.yaml").write_text(yaml.safe_dump({"default": "lab", "environments": {"lab": environment}}))
    return tmp_path


def untouched(net: Network, state: Path) -> bool:
    """Whether neither target nor state directory knows of anything."""
    return net.client.run(Command(("nft", "list", "ruleset"))) == "" and not state.exists()


def test_fault_is_told_with_targets_end_and_decisions(system: Path, net: Network, state: Path, say: Speaker) -> None:
    said = say(*DNS, "--namespace=payment")
    assert said.code == 0
    for part in (
        "api in payment cannot resolve redis-cluster for 20s",
        f"target     api in payment ({net.client.name})",
        "if it began now; by kernel",
        "proven by  probes.dns:look",
        "allowed    longest duration: 20s of at most 60s",
        "allowed    blast radius: 1 of at most 50 targets: 1 of 1 replica of payment/api",
        "allowed    halt: no halt was called",
        "allowed    locks: 1 target in nobody's use",
        "allowed    residue: nothing was left at 1 targets",
        "mind       Open connections and cached answers are not touched.",
        "It would begin. Nothing was touched.",
    ):
        assert part in said.out, part
    assert untouched(net, state)


def test_json_has_the_commands_themselves(system: Path, net: Network, state: Path, say: Speaker) -> None:
    told = json.loads(say(*DNS, "--namespace", "payment", "--duration", "30s", "--output", "json").out)
    [fault] = told["faults"]
    assert (fault["duration"], fault["ends_by"], fault["exit_code"], told["exit_code"]) == (30, "kernel", 0, 0)
    assert fault["blast_radius"] == [{"service": "payment/api", "picked": 1, "of": 1}]
    [target] = fault["targets"]
    assert (target["target"], target["host"], target["error"]) == (net.client.name, "api", "")
    assert "create table inet chaos_" in target["inject"][0]["stdin"]
    assert "delete table inet chaos_" in target["undo"][0]["stdin"]
    assert {decision["guardrail"] for decision in fault["decisions"]} >= {
        "blast radius",
        "protected",
        "locks",
        "residue",
    }
    assert untouched(net, state)


def test_every_no_is_told_at_once_with_what_to_do(system: Path, net: Network, state: Path, say: Speaker) -> None:
    said = say(*DNS, f"--on=netns:worker-03,{net.client.name}", "--duration=61s")
    assert said.code == 5
    assert "REFUSED    longest duration: 61s is longer than environment 'lab' allows (60s). Ask for less" in said.out
    assert "REFUSED    protected: netns:worker-03 may not be touched" in said.out
    assert "mind       There is no network namespace 'worker-03' here." in said.out
    assert "It would not begin. Nothing was touched." in said.out
    assert untouched(net, state)


def test_what_blocks_has_its_exit_code(
    system: Path, net: Network, say: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(monkeypatch, tmp_path, net.client)  # a halt undoes all that it finds
    assert say(*DNS, "--namespace=nowhere").code == 3
    made = armed(net.client, "aa22")
    said = say(*DNS, "--namespace=payment")
    assert said.code == 6
    assert "REFUSED    residue: Fault aa22 (network-dns) is at" in said.out
    assert "chaosctl recover aa22" in said.out
    ledger.undo(made)
    say("halt", "--reason=lunch")
    assert "lunch. Nothing is injected until it is lifted." in say(*DNS, "--namespace=payment").out
    say("halt", "--lift")


def test_experiments_are_planned_with_their_variables(
    system: Path, net: Network, namespaces: Callable[[], Netns], state: Path, say: Speaker
) -> None:
    arguments = {"namespace": "payment", "target": "${target}", "duration": "${duration}"}
    fault = python("action", "it stops resolving", "actions.network_dns:network_dns", arguments)
    what = experiment(fault, touching(system / "touched"), configuration={"target": "redis", "duration": "5s"})
    (system / "e.yaml").write_text(yaml.safe_dump(what))
    said = say("plan", "e.yaml", "--var", "target=mysql")
    assert said.code == 0, said.err
    assert "e.yaml: a test" in said.out
    assert "api in payment cannot resolve mysql for 30s" in said.out
    assert "mind       'touch' is played as well; what that touches is not known here." in said.out
    told = json.loads(say("plan", "e.yaml", "e.yaml", "--output=json").out)
    assert [each["faults"][0]["sentence"] for each in told] == ["api in payment cannot resolve redis for 30s"] * 2
    assert not (system / "touched").exists()
    assert untouched(net, state)


def test_a_file_of_slos_beside_the_experiment_without_counters_is_told(
    system: Path, net: Network, state: Path, say: Speaker
) -> None:
    folder = system / "nightly"
    folder.mkdir()
    (folder / "slo.yaml").write_text("slos: [{name: latency, objective: 99, sli: {raw: {error_ratio_query: x}}}]")
    what = experiment(extensions=[{"name": "chaosctl", "slo": {"file": "slo.yaml"}}])
    (folder / "e.yaml").write_text(yaml.safe_dump(what))
    said = say("plan", "nightly/e.yaml")
    assert "mind       No counters of good and of all events were found in slo.yaml for the SLO 'latency'" in said.out
    assert said.code == 0, said.err
    assert untouched(net, state)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.yaml"], "'nothing.yaml' is neither an experiment's file nor a fault."),
        (["network-dns", "--namspace=payment"], "No such option"),
        (["network-dns", "--percent=50"], "--replicas=50%"),
        (["network-dns", "--count", "2"], "--replicas=2"),
        (["network-dns", "--on=local"], "--target is missing"),
        (["network-dns", "--target=x", "--on=local", "--duration=5"], "'5' is not a duration"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: list[str], told: str, say: Speaker) -> None:
    said = say("plan", *arguments)
    assert said.code == 2
    assert told in said.err
