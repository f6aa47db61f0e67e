"""What dead runs left blocks until it is recovered; what a live run has is in use."""

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runner import ledger, origin
from runner.errors import Refused, Residue
from runner.guardrails import sweep
from runner.model import Command, Steps, clock
from runner.targets.netns import Netns
from tests._cli import CHAOSCTL
from tests._inject import healed, injected
from tests._network import Network
from tests._scratch import Scratched, left
from tests._table import armed, planned

Make = Callable[[], Netns]


def refused(*targets: Netns) -> Residue:
    """Inject at targets, and return the residue that was in the way."""
    made = Scratched(*targets)
    with pytest.raises(Residue) as found:
        made.injection.start()
    assert made.words == [], "nothing was even looked at"
    assert [ruling.allowed for ruling in made.injection.rulings if ruling.guardrail == "residue"] == [False]
    return found.value


@pytest.mark.parametrize("seconds", [60.0, 0.05])
@pytest.mark.parametrize("known", [True, False])
def test_residue_of_a_dead_run_blocks_until_it_is_recovered(namespace: Netns, seconds: float, known: bool) -> None:
    made = armed(namespace, "aa22", seconds)
    if known:
        ledger.write(made)
    until = clock() + 10
    while seconds < 1 and "elements" in namespace.run(Command(("nft", "list", "ruleset"))):
        assert clock() < until
    error = refused(namespace)
    assert "Fault aa22 (network-dns) is" in error.message or "aa22 (network-dns) left something" in error.message
    assert namespace.name in error.message
    assert error.fix == "chaosctl recover aa22"
    ledger.undo(made)
    again = Scratched(namespace)
    again.injection.start()
    again.injection.stop.set()
    again.injection.finish()
    assert [ruling.reason for ruling in again.injection.rulings if ruling.guardrail == "residue"] == [
        "nothing was left at 1 targets",
        "nothing is left at 1 targets",
    ]


def test_entry_of_a_fault_that_never_came_blocks_nobody(namespace: Netns) -> None:
    made = planned(namespace, "aa22")
    ledger.write(made)
    again = Scratched(namespace)
    again.injection.start()
    again.injection.stop.set()
    again.injection.finish()
    ledger.undo(made)


def test_command_that_is_still_in_flight_blocks(namespace: Netns) -> None:
    """Its runner was killed, nothing is there yet, and it may commit at any moment."""
    made = planned(namespace, "aa22")
    ledger.write(made)
    with ledger.locked("aa22") as handle:
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=(handle,))
    assert "aa22 (network-dns) has a command still in flight" in refused(namespace).message
    os.kill(orphan.pid, signal.SIGKILL)
    orphan.wait()
    ledger.undo(made)


def test_residue_elsewhere_blocks_in_its_own_environment_alone(namespaces: Make) -> None:
    here, there = namespaces(), namespaces()
    made = replace(armed(there, "aa22"), environment="preprod")
    ledger.write(made)
    identity = {here.identity(): here}
    assert [ruling.allowed for ruling in sweep.before(identity, "preprod", ())] == [False]
    assert [ruling.allowed for ruling in sweep.before(identity, "other", ())] == [True]
    assert [ruling.allowed for ruling in sweep.before(identity, "preprod", {"aa22"})] == [True]
    ledger.undo(made)


def test_what_appeared_meanwhile_and_no_ledger_knows_is_residue_afterwards(namespace: Netns) -> None:
    made = Scratched(namespace)
    made.injection.start()
    armed(namespace, "aa22", 0.01)
    made.injection.stop.set()
    with pytest.raises(Residue, match=r"Fault aa22 .* in no ledger of this machine"):
        made.injection.finish()
    assert left(namespace) == ["aa22"], "the run's own fault is gone"
    namespace.run(Command(("nft", "delete", "table", "inet", "chaos_aa22")))


def test_two_faults_of_one_run_at_one_target_are_two(net: Network) -> None:
    """Each has its own table, and undoing one leaves the other."""
    one, other = (injected("network-dns", where=net.client.name, target=name) for name in ("redis-cluster", "mysql"))
    assert sorted(left(net.client)) == sorted([one.id, other.id])
    assert all(ruling.allowed for ruling in other.rulings)
    healed(one)
    assert left(net.client) == [other.id]
    assert "status: NOERROR" in net.dig("redis-cluster.payment.svc.cluster.local")
    assert "no servers could be reached" in net.dig("mysql.payment.svc.cluster.local")
    healed(other)
    assert net.client.run(Command(("nft", "list", "ruleset"))) == ""


def test_live_fault_of_another_run_is_in_use_and_no_residue(net: Network) -> None:
    argv = [CHAOSCTL, "inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=1h"]
    done = subprocess.run([*argv, "--detach"], capture_output=True, text=True, check=True)
    fault_id = done.stdout.splitlines()[-1]
    made = Scratched(net.client)
    with pytest.raises(Refused) as found:
        made.injection.start()
    [entry] = ledger.entries()
    assert found.value.message.startswith(f"{net.client.name} is in use by {entry.owner} since 20")
    assert f"fault {fault_id}, {net.client.name} cannot resolve redis-cluster for 1h" in found.value.message
    again = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert again.returncode == 5
    assert "is in use by" in again.stderr
    assert left(net.client) == [fault_id], "it was not touched"
    os.kill(int(entry.owner.rpartition(" ")[2]), signal.SIGKILL)
    until = clock() + 10
    while True:
        killed = subprocess.run(argv, capture_output=True, text=True, check=False)
        if killed.returncode != 5 or clock() > until:
            break
    assert killed.returncode == 6
    assert f"Fault {fault_id} (network-dns) is still live at {net.client.name}" in killed.stderr
    assert f"The run that made it is gone ({entry.owner})" in killed.stderr
    assert subprocess.run([CHAOSCTL, "recover", fault_id], check=False).returncode == 0


def test_identity_tells_a_namespace_made_again_from_the_one_in_use(namespaces: Make, state: Path) -> None:
    one = namespaces()
    made = Scratched(one)
    made.injection.start()
    subprocess.run(["ip", "netns", "del", one.namespace], check=True)
    subprocess.run(["ip", "netns", "add", one.namespace], check=True)
    argv = [CHAOSCTL, "inject", "network-dns", "--target=x", f"--on={one.name}", "--duration=1s"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert "is in use" not in done.stderr
    made.injection.stop.set()
    made.injection.finish()


@pytest.mark.parametrize(
    ("owner", "left", "refused"),
    [("ada@there pid 7", 60.0, True), ("ada@there pid 7", -1.0, False), (origin.owner(), 60.0, False)],
    ids=["live", "over", "our own"],
)
def test_live_fault_of_another_machine_in_the_same_cluster_is_in_use_and_no_residue(
    owner: str, left: float, refused: bool, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told to recover what is left there, people would end what goes on."""
    site = ledger.Site("pod:lab/payment/a", "boot:b netns:1 pod:u", Steps((), (), ()))
    entry = ledger.Entry("aa22", "network-dns", "a is x", "lab", owner, clock() - 5, clock() + left, (site,))
    monkeypatch.setattr("runner.residue.in_cluster", lambda _: (entry,))
    at: Any = SimpleNamespace(name="pod:lab/payment/a")
    for identity in ("boot:b netns:1 pod:u", "pod:u"):
        [ruling] = sweep.before({identity: at}, "lab", (), entered=False)
        assert ruling.allowed is not refused
        assert ruling.reason.startswith("pod:lab/payment/a is in use by ada@there pid 7 since 20") is refused
        assert not ruling.residue
    assert [ruling.allowed for ruling in sweep.before({"pod:u": at}, "lab", {"aa22"}, entered=False)] == [True]
    assert [ruling.allowed for ruling in sweep.before({"pod:other": at}, "lab", (), entered=False)] == [True]
