"""A machine behind ssh: who is trusted, as whom commands run, and faults from end to end."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import Missing, Unreachable
from runner.model import Command, Sight, clock
from runner.targets import reach
from tests._inject import injected
from tests._network import Network
from tests._scratch import left
from tests._sshd import Sshd, configure, sshd


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """A real sshd of one test's own."""
    with sshd(tmp_path / "server") as made:
        monkeypatch.setenv("CHAOSCTL_SSH_CONFIG", str(made.config))
        yield made


@pytest.mark.parametrize(
    ("trusted", "key", "said"),
    [("other", "user", "Host key verification failed"), ("host", "other", "Permission denied")],
)
def test_machine_that_is_not_trusted_or_does_not_trust_us_is_not_reached(
    server: Sshd, trusted: str, key: str, said: str
) -> None:
    configure(server, trusted, key)
    with pytest.raises(Unreachable, match=f"{server.target} could not be reached: .*{said}") as refused:
        reach(server.target).run(Command(("true",)))
    assert "host key known" in refused.value.fix


def test_machine_that_was_never_seen_is_not_reached(server: Sshd) -> None:
    (server.place / "known_hosts").write_text("")
    with pytest.raises(Unreachable, match="Host key verification failed"):
        reach(server.target).identity()
    assert (server.place / "known_hosts").read_text() == ""


def test_machine_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unreachable, match=r"ssh:root@127\.0\.0\.1:9 could not be reached: .*Connection refused"):
        reach("ssh:root@127.0.0.1:9").run(Command(("true",)))


def test_one_connection_serves_all(server: Sshd) -> None:
    at = reach(server.target)
    for _ in range(3):
        at.run(Command(("true",)))
    again = reach(server.target)
    assert again.identity() == at.identity()
    assert (server.place / "log").read_text().count("Accepted publickey") == 1


@pytest.mark.parametrize("allowed", [True, False])
def test_user_who_is_not_root_becomes_it_by_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: bool
) -> None:
    """Stand-ins for `id` and `sudo`: tests make no users on the machine."""
    tools = tmp_path / "tools"
    tools.mkdir()
    last = 'shift 2; BECAME=root exec "$@"' if allowed else "echo 'sudo: a password is required' >&2; exit 1"
    for name, script in {"id": "echo 1000", "sudo": last}.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    with sshd(tmp_path / "server", f"SetEnv PATH={tools}:{os.environ['PATH']}") as made:
        monkeypatch.setenv("CHAOSCTL_SSH_CONFIG", str(made.config))
        at = reach(made.target)
        if allowed:
            assert at.run(Command(("sh", "-c", "echo $BECAME"))) == "root\n"
        else:
            with pytest.raises(Missing, match=r"Root at ssh:\S+ cannot be had: sudo: a password is required"):
                at.run(Command(("true",)))


def test_command_of_a_killed_runner_is_waited_for_at_the_target(server: Sshd, tmp_path: Path) -> None:
    """Everything here is killed, the ssh client too; what it started there goes on, and the next one waits for it."""
    log = tmp_path / "log"
    slow = f"echo begun >> {log}; sleep 2; echo ended >> {log}"
    script = (
        "import sys; from runner.targets import reach; from runner.model import Command\n"
        "reach(sys.argv[1]).run(Command(('sh', '-c', sys.argv[2])), pass_fds=(2,))"
    )
    runner = subprocess.Popen([sys.executable, "-c", script, server.target, slow], process_group=0)
    while not log.exists():
        assert runner.poll() is None
        threading.Event().wait(0.02)
    os.killpg(runner.pid, signal.SIGKILL)
    runner.wait()
    with log.open("a") as lock:
        reach(server.target).run(Command(("sh", "-c", f"echo next >> {log}")), pass_fds=(lock.fileno(),))
    assert log.read_text().split() == ["begun", "ended", "next"]


def test_fault_behind_ssh_is_proven_from_there_and_ends_there(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server runs in the client's namespace, on no port: each connection is handed to it by its own command."""
    with sshd(tmp_path / "server") as made:
        configure(made, "host", "user")
        inside = f"ip netns exec {net.client.namespace} /usr/sbin/sshd -i -f {made.place}/sshd_config"
        with made.config.open("a") as config:
            config.write(f"HostKeyAlias [127.0.0.1]:{made.port}\nProxyCommand {inside}\n")
        monkeypatch.setenv("CHAOSCTL_SSH_CONFIG", str(made.config))
        begun = clock()
        made_fault = injected(
            "network-dns", target="redis-cluster", where=f"ssh:root@{net.client.namespace}", duration="3s"
        )
        assert left(net.client) == [made_fault.id]
        made_fault.wait()
        made_fault.finish()
        [course] = made_fault.courses
        assert made_fault.healed
        assert course.ended_how == "deadline"
        assert course.during
        assert course.during.sight is Sight.PRESENT
        assert begun < course.during.asked
        assert left(net.client) == []
