"""`chaosctl inject`: a whole injection in a process of its own, as a person would start it."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from reports import spool
from reports.record import Record
from runner import ledger
from runner.model import clock
from tests._cli import CHAOSCTL, Said, Speaker, chaosctl, started
from tests._network import Network
from tests._nft import stand_in
from tests._scratch import left

DNS = "inject", "network-dns", "--target=redis-cluster"


def spooled() -> Record:
    """Return the one record that waits for its store."""
    [path] = spool.waiting()
    found = spool.read(path)
    assert isinstance(found, Record)
    return found


def test_injection_is_told_from_the_look_before_to_the_look_after(net: Network) -> None:
    said = chaosctl(*DNS, f"--on={net.client.name}", "--duration=5s")
    assert (said.code, said.err) == (0, "")
    head, before, armed, effective, healed, last = said.out.splitlines()
    assert re.fullmatch(rf"network-dns \w{{8}}: {net.client.name} cannot resolve redis-cluster for 5s", head)
    assert re.match(r" +before +\S+s +redis-cluster\S+ answers in ", before)
    assert re.match(r" +armed +\S+s +ends by itself at 20\S+Z \(kernel\)", armed)
    assert re.match(r" +effective +\S+s +redis-cluster\S+ gets timeout over udp and tcp; control ", effective)
    assert re.match(r" +healed +\S+s +redis-cluster\S+ answers over udp and tcp", healed)
    assert last == "proven and healed; the workload met it 0 times"
    record = spooled()
    assert record.kind == "inject"
    assert [event.what for event in record.timeline] == ["before", "armed", "effective", "healed"]
    assert record.judgement
    assert record.judgement.verdict == "pass"
    assert record.judgement.score is None


def test_json_is_one_document_and_the_telling_goes_to_standard_error(net: Network) -> None:
    said = chaosctl(*DNS, f"--on={net.client.name}", "--duration=5s", "--output=json")
    told = json.loads(said.out)
    assert told["name"] == "network-dns"
    [target] = told["targets"]
    assert target["ended_how"] == "deadline"
    assert "effective" in said.err
    assert "proven and healed" in said.err


def test_fault_that_is_undone_elsewhere_is_inconclusive_and_recorded(net: Network) -> None:
    with started(*DNS, f"--on={net.client.name}", "--duration=60s") as process:
        assert process.stdout
        head = process.stdout.readline()
        while "effective" not in process.stdout.readline():
            assert process.poll() is None
        assert chaosctl("recover", head.split()[1].rstrip(":")).code == 0
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert f"The fault was gone at {net.client.name} before its deadline: somebody else removed it." in err
    assert "`chaosctl recover` elsewhere does that" in err
    record = spooled()
    assert record.judgement
    assert record.judgement.verdict == "inconclusive"
    assert "before its deadline" in record.judgement.reasons[0]


def test_fault_that_does_not_show_is_undone_and_inconclusive(net: Network, tmp_path: Path) -> None:
    """A stand-in for nft that takes the rules and does nothing."""
    path = stand_in(tmp_path, '[ "$*" = "-f -" ] && { cat > /dev/null; exit; }; exec $real "$@"')
    said = chaosctl(*DNS, f"--on={net.client.name}", "--duration=1s", PATH=path)
    assert said.code == 3
    assert "The fault did not show at" in said.err
    assert "It was undone." in said.err
    assert spooled().judgement


def test_what_could_not_be_undone_is_residue_whatever_else_goes_wrong(net: Network, tmp_path: Path) -> None:
    """Rules can be made and not removed, and the record cannot be kept: the graver of the two is the exit code."""
    jammed = tmp_path / "jammed"
    path = stand_in(
        tmp_path,
        f"""[ "$*" = "-f -" ] || exec $real "$@"
        [ -e {jammed} ] && {{ echo jammed >&2; exit 1; }}
        touch {jammed}; rm -rf {tmp_path}/state/chaosctl/spool; mkdir -p {tmp_path}/state/chaosctl
        touch {tmp_path}/state/chaosctl/spool; exec $real "$@" """,
    )
    said = chaosctl(*DNS, f"--on={net.client.name}", "--duration=1s", PATH=path)
    assert said.code == 6
    [entry] = ledger.entries()
    assert f"chaosctl recover {entry.id}" in said.err
    assert "jammed" in said.err
    assert "The record of this was not kept" in said.err
    assert chaosctl("recover", entry.id).code == 0


def test_telling_that_nobody_reads_leaves_no_fault(net: Network) -> None:
    """As under `| head -1`, and as on a terminal that is gone."""
    with started(*DNS, f"--on={net.client.name}", "--duration=60s") as process:
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        process.wait(60)
        assert process.returncode != 0
    assert left(net.client) == []
    assert ledger.entries() == ()


def detached(net: Network, *arguments: str, **environment: str) -> Said:
    return chaosctl(*DNS, f"--on={net.client.name}", "--detach", *arguments, **environment)


def test_detached_run_returns_once_proven_and_sees_to_its_end(net: Network) -> None:
    begun = clock()
    said = detached(net, "--duration=4s")
    assert said.code == 0
    told, fault_id = said.out.splitlines()
    assert f"{net.client.name} cannot resolve redis-cluster for 4s: proven, ends by itself at " in told
    [entry] = ledger.entries()
    assert entry.id == fault_id
    assert left(net.client) == [fault_id], "it goes on"
    until = clock() + 60
    while ledger.entries():
        assert clock() < until
    assert clock() >= begun + 4
    assert left(net.client) == []
    while not spool.waiting():
        assert clock() < until
    assert spooled().faults[0].targets[0].ended_how == "deadline"


def test_detached_run_says_its_id_as_json(net: Network) -> None:
    said = detached(net, "--duration=1s", "--output=json")
    told = json.loads(said.out)
    assert set(told) == {"id", "sentence", "deadline"}
    until = clock() + 60
    while not spool.waiting():
        assert clock() < until


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--duration=90"], 2, "--duration: '90' is not a duration."),
        (["--control=nowhere.cluster.local"], 3, "Nothing was injected."),
        (["--env=nowhere"], 2, "Environment 'nowhere' is not defined"),
    ],
)
def test_error_of_a_detached_run_comes_back_with_its_code(
    net: Network, arguments: list[str], code: int, told: str
) -> None:
    said = detached(net, *arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("chaosctl: ")
    assert told in said.err
    assert left(net.client) == []


def test_detached_run_whose_starter_is_gone_leaves_no_fault(net: Network, tmp_path: Path) -> None:
    """Nobody would know its id: it is undone as soon as it is proven."""
    slow = stand_in(tmp_path, f'[ "$*" = "-f -" ] || exec $real "$@"; touch {tmp_path}/begun; sleep 1; exec $real "$@"')
    argv = [CHAOSCTL, *DNS, f"--on={net.client.name}", "--duration=1h", "--detach"]
    starter = subprocess.Popen(argv, env={**os.environ, "PATH": slow}, stdout=subprocess.DEVNULL)
    until = clock() + 60
    while not (tmp_path / "begun").exists():
        assert clock() < until
    starter.kill()
    starter.wait()
    while not spool.waiting():
        assert clock() < until
    assert left(net.client) == []
    assert ledger.entries() == ()
    assert spooled().faults[0].targets[0].ended_how == "undone"


def test_detached_run_can_be_ended_by_recover_from_anywhere(net: Network) -> None:
    fault_id = detached(net, "--duration=1h").out.splitlines()[-1]
    assert chaosctl("recover", fault_id).code == 0
    assert left(net.client) == []
    until = clock() + 60
    while not spool.waiting():
        assert clock() < until


def test_detached_run_hears_signals_at_its_own_pid(net: Network) -> None:
    detached(net, "--duration=1h")
    [entry] = ledger.entries()
    os.kill(int(entry.owner.rpartition(" ")[2]), signal.SIGTERM)
    until = clock() + 60
    while not spool.waiting():
        assert clock() < until
    assert left(net.client) == []


def test_help_names_every_parameter_with_its_default(say: Speaker) -> None:
    shown = " ".join(say("inject", "network-dns", "--help").out.split())
    for part in (
        "--target",
        "--mode",
        "--on",
        "--namespace",
        "--selector",
        "--duration",
        "--env",
        "--detach",
        "--output",
    ):
        assert part in shown
    assert "Default: timeout." in shown
    assert "Breaks: every lookup of the name" in shown
