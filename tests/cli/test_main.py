"""The command line as a whole: what it says to a person whose command cannot be meant, or must not be done."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from runner.cli import main
from tests._api_server import Cluster, cluster
from tests._cli import AS_NOBODY, CHAOSCTL, Said, Speaker
from tests._experiments import experiment
from tests._network import Network

DNS = "inject", "network-dns"
ON = *DNS, "--target=redis-cluster", "--on=netns:ct-nowhere"
LAB = "environments: {lab: {kind: lab, hosts: {api: {reach: netns:ct-nowhere, namespace: payment}}}}\n"


def calm(said: Said) -> str:
    """Assert that it said one paragraph and what to do now, on standard error; returns that."""
    assert "Traceback" not in said.err
    assert "a bug of ours" not in said.err
    message, fix = said.err.splitlines()
    assert message.startswith("chaosctl: ")
    assert message[-1] == "."
    assert fix.startswith("  ")
    return said.err


@pytest.fixture(autouse=True)
def nothing_noted(state: Path) -> Iterator[None]:
    """Whatever was wrong, nothing was begun."""
    yield
    assert not (state / "ledger").exists() or not list((state / "ledger").glob("*.json"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("inject", "network-dn", "--on=local"), ["There is no fault 'network-dn'", "network-dns"]),
        ((*ON, "--duration=90"), ["--duration: '90' is not a duration", "with its unit"]),
        ((*ON, "--duration=1:30"), ["--duration: '1:30' is not a duration"]),
        ((*ON, "--duration=-5s"), ["--duration: '-5s' is not a duration"]),
        ((*ON, "--duration=90 s"), ["--duration: '90 s' is not a duration"]),
        ((*ON, "--duration=0s"), ["--duration: '0s' is no time to wait for", "at least 1ms"]),
        ((*ON, "--duration=0.4ms"), ["--duration: '0.4ms' is no time to wait for"]),
        ((*ON, "--duration=9999d"), ["--duration: '9999d' is no time to wait for", "at most 365d"]),
        ((*DNS, "--on=local"), ["--target is missing: the name that stops resolving", "Add --target="]),
        ((*DNS, "--target=-x", "--on=local"), ["--target: In '-x' the label '-x' is not one DNS can hold"]),
        ((*DNS, "--target=x"), ["No environment was chosen, and no target was named with --on", "chaosctl lab up"]),
        ((*DNS, "--target=x", "--on="), ["No environment was chosen, and no target was named with --on"]),
        ((*DNS, "--target=x", "--on=,"), ["--on=, names nothing"]),
        ((*DNS, "--target=x", "--on=vm:x"), ["'vm:x' is not a target: 'vm' is no way to reach one", "netns:NAME"]),
        ((*DNS, "--target=x", "--on=pod:x"), ["'pod:x' is not a target", "Write pod:NAMESPACE/POD"]),
        ((*ON, "--env=staging"), ["Environment 'staging' is not defined (known: none)"]),
        (("recover",), ["It was not said what to undo"]),
        (("recover", "zz99"), ["No fault 'zz99' is known here"]),
    ],
)
def test_what_cannot_be_meant_is_told_with_what_to_write(
    say: Speaker, arguments: tuple[str, ...], told: list[str]
) -> None:
    said = say(*arguments)
    assert said.code == 2
    assert all(part in calm(said) for part in told), said.err


@pytest.mark.parametrize(
    ("configuration", "arguments", "told"),
    [
        (LAB, ("--target=x", "--env=lab"), ["It was not said whom the fault is for", "Add --namespace=NAME"]),
        (
            "enviroments: {}\n",
            ("--target=x", "--on=local"),
            ["chaosctl.yaml:1: enviroments: is not a key", "`chaosctl schema` prints all"],
        ),
        ("a: [\n", ("--target=x", "--on=local"), ["chaosctl.yaml:2: syntax: "]),
        (LAB, ("--target=x", "--env=live", "--on=local"), ["Environment 'live' is not defined (known: lab)"]),
    ],
)
def test_configuration_that_cannot_be_meant_is_told_with_its_line(
    say: Speaker, tmp_path: Path, configuration: str, arguments: tuple[str, ...], told: list[str]
) -> None:
    (tmp_path / "chaosctl.yaml").write_text(configuration)
    said = say(*DNS, *arguments)
    assert said.code == 2
    assert all(part in calm(said) for part in told), said.err


def test_nobody_who_matches_is_inconclusive(say: Speaker, tmp_path: Path) -> None:
    (tmp_path / "chaosctl.yaml").write_text(LAB)
    said = say(*DNS, "--target=x", "--env=lab", "--namespace=shop")
    assert said.code == 3
    assert "No target matches namespace shop: nothing was touched" in calm(said)
    assert "The environment's hosts are: api." in said.err


def test_target_that_is_not_there_is_told(say: Speaker) -> None:
    said = say(*ON)
    assert said.code == 4
    assert "There is no network namespace 'ct-nowhere' here" in calm(said)


def test_production_is_refused(say: Speaker, tmp_path: Path) -> None:
    (tmp_path / "chaosctl.yaml").write_text("environments: {live: {kind: production}}\n")
    said = say(*ON, "--env=live")
    assert said.code == 5
    assert "Environment 'live' is production, and faults are not allowed there" in calm(said)
    assert "production_allowed: true" in said.err


@pytest.fixture
def staging(tmp_path: Path) -> Iterator[Cluster]:
    """An environment whose cluster is a stand-in: an HTTP server that says which kube-system it has."""
    with cluster(tmp_path, "the-uid") as served:
        pinned = f"{{context: payment, kubeconfig: {served.kubeconfig}, uid: the-uid}}"
        environment = f"environments: {{staging: {{kind: preproduction, kubernetes: {pinned}}}}}\n"
        (tmp_path / "chaosctl.yaml").write_text(environment)
        yield served


def test_cluster_that_is_another_is_refused(say: Speaker, staging: Cluster) -> None:
    staging.uid = "another-uid"
    said = say(*ON, "--env=staging")
    assert said.code == 5
    assert "Context 'payment' is not the cluster of environment 'staging'" in calm(said)
    assert "another-uid" in said.err
    assert "Nothing was touched." in said.err


def test_cluster_that_does_not_answer_is_told(say: Speaker, staging: Cluster) -> None:
    staging.status = 503
    said = say(*ON, "--env=staging")
    assert said.code == 4
    assert "could not be asked who it is" in calm(said)


def test_state_directory_that_cannot_be_written_is_told_before_anything_is_done(
    net: Network, say: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        said = say(*DNS, "--target=redis-cluster", f"--on={net.client.name}")
    assert said.code == 4
    assert "Traceback" not in said.err
    assert f"The folder of locks {tmp_path}/file/chaosctl/in-use cannot be written: Not a directory." in said.err
    assert "Nothing is injected without an entry there." in said.err
    assert "set XDG_STATE_HOME to a place that can be written" in said.err


@pytest.mark.parametrize("where", ["local", "the namespace"])
def test_user_who_is_not_root_is_told(net: Network, where: str, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    own.chmod(0o777)
    target = "local" if where == "local" else net.client.name
    argv = [*AS_NOBODY, CHAOSCTL, *DNS, "--target=redis-cluster", f"--on={target}"]
    environment = {**os.environ, "XDG_STATE_HOME": str(own)}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    said = Said(done.returncode, done.stdout, done.stderr)
    assert said.code == 4
    assert ("was not permitted" in calm(said)) or ("could not be entered" in said.err)
    assert "root" in said.err


def test_missing_nft_is_told_with_its_package(
    net: Network, say: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_module("actions.network_dns")._BASES.clear()
    (tmp_path / "sh").symlink_to("/bin/sh")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        said = say(*DNS, "--target=redis-cluster", f"--on={net.client.name}")
    assert said.code == 4
    assert f"`nft` is not installed at {net.client.name}" in calm(said)
    assert "apt-get install nftables" in said.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        ("rolbacks: []\n", "rolbacks: is not a key that Chaos Toolkit knows; it would be ignored"),
        ("a: [\n", "syntax"),
    ],
)
def test_experiment_that_cannot_be_meant_is_told_with_its_line(
    say: Speaker, tmp_path: Path, text: str | None, told: str
) -> None:
    if text:
        (tmp_path / "x.yaml").write_text(text)
    said = say("run", "x.yaml")
    assert said.code == 2
    assert "Traceback" not in said.err
    assert "chaosctl: x.yaml" in said.err
    assert told in said.err


@pytest.mark.parametrize(
    "arguments", [["injct"], [*DNS, "--targt=x"], [*DNS, "--mode=slow", "--target=x"], ["faults", "--output=xml"]]
)
def test_what_click_refuses_is_a_usage_error_with_a_way_on(say: Speaker, arguments: list[str]) -> None:
    said = say(*arguments)
    assert said.code == 2
    assert "Error: " in said.err
    assert "-h" in said.err
    assert "Traceback" not in said.err


def broken(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("faults", callback=fail)


def test_bug_is_a_sentence_and_exit_code_four(say: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.cli.faults.command", broken(KeyError("x")))
    said = say("faults")
    assert said.code == 4
    assert said.err.startswith("chaosctl: a bug of ours: KeyError: 'x'\n")
    assert "Traceback" not in said.err
    monkeypatch.setenv("CHAOSCTL_DEBUG", "1")
    assert "Traceback" in say("faults").err


def test_ctrl_c_is_told_and_is_exit_code_five(say: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.cli.faults.command", broken(KeyboardInterrupt()))
    said = say("faults")
    assert said.code == 5
    assert "chaosctl: Stopped. `chaosctl faults` shows whether anything is live." in said.err


def test_every_command_is_there_and_says_what_it_does(say: Speaker) -> None:
    shown = say("--help").out
    for name, text in main._COMMANDS.items():
        assert f"{name} " in shown
        assert text.split(",")[0] in " ".join(shown.split())
        helped = say(name, "--help")
        assert helped.code == 0, name
        assert "Usage: chaosctl " in helped.out


def test_version_is_told(say: Speaker) -> None:
    assert say("--version").out.startswith("chaosctl, version ")


def test_python_of_the_tests_is_that_of_the_command() -> None:
    """What these tests see is what a person would."""
    assert Path(CHAOSCTL).parent == Path(sys.executable).parent
    assert experiment()["title"]
