"""process-stop on a real Redis: it stands still, it alone, and goes on."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runner import guarding
from runner.errors import CommandFailed, Inconclusive
from runner.targets.netns import Netns
from tests._cli import CHAOSCTL, proven
from tests._inject import healed, injected, injection
from tests._network import OURS
from tests._service import breaking, service, wait_for
from tests._sshd import sshd
from tests._systemd import systemd


def test_service_stands_still_and_goes_on_by_itself(namespaces: Callable[[], Netns], tmp_path: Path) -> None:
    with service(namespaces(), tmp_path / "one") as redis, service(namespaces(), tmp_path / "other") as other:
        before = redis.pids
        made = injected("process-stop", process="redis-server", where=redis.at.name, duration="4s")
        assert redis.state() == "T"
        assert not redis.answers(0.2)
        assert other.answers(), "one of the same name, in another namespace"
        made.wait()
        wait_for(lambda: redis.answers(1.0), "it does not go on")
        made.finish()
        assert redis.pids == before
    [course] = made.courses
    assert (course.ended_how, made.healed, course.errors) == ("deadline", True, [])
    assert made.hits is not None
    assert made.hits > 0, "a connection waited when it went on"


def test_undoing_lets_it_go_on_at_once(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis:
        made = injected("process-stop", process="redis-server", where=namespace.name, duration="1h")
        assert redis.state() == "T"
        healed(made)
        assert redis.answers()
    assert made.courses[0].ended_how == "undone"


def test_signal_that_does_nothing_is_not_proven(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mechanism broken on purpose: SIGCONT where SIGSTOP was meant."""
    breaking(monkeypatch, begin="SIGCONT")
    with service(namespace, tmp_path / "one") as redis:
        with pytest.raises(Inconclusive, match=r"did not show at .*redis-server \d+ is not stopped"):
            injected("process-stop", process="redis-server", where=namespace.name, duration="2s")
        assert redis.answers()


def test_number_that_was_given_away_again_is_not_hit(namespace: Netns, tmp_path: Path) -> None:
    """What was chosen has ended by the time of the signal, and its number is another program's."""
    with service(namespace, tmp_path / "one") as redis:
        work = {"processes": [(redis.pids[0], "redis-server of yesterday")], "begin": "SIGKILL", "end": ""}
        steps = guarding.steps(f"x{OURS}"[:8], "process-kill", namespace.name, 0.0, "processes", work)
        with pytest.raises(CommandFailed, match="none of these processes is there any more"):
            namespace.run(steps.inject[0])
        assert redis.answers()


def test_nothing_of_that_name_is_inconclusive(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one"):
        with pytest.raises(Inconclusive, match="No process 'postgres' runs at") as nothing:
            injected("process-stop", process="postgres", where=namespace.name)
        assert "Running there: redis-server" in nothing.value.fix
        with pytest.raises(Inconclusive, match="with 'port 1' in its command line"):
            injected("process-stop", process="redis-server", matching="port 1", where=namespace.name)


def test_what_is_stopped_already_is_left_alone(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis:
        os.kill(redis.pids[0], signal.SIGSTOP)
        wait_for(lambda: redis.state() == "T", "it does not stop")
        with pytest.raises(Inconclusive, match="stopped even without the fault"):
            injection("process-stop", process="redis-server", where=namespace.name).start()
        assert redis.state() == "T"
        os.kill(redis.pids[0], signal.SIGCONT)


def test_behind_ssh_it_outlives_the_connection(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server runs in the namespace of the service; the connection is ended while the fault is on."""
    with service(namespace, tmp_path / "one") as redis, sshd(tmp_path / "sshd") as made:
        inside = f"nsenter --net={namespace.path} /usr/sbin/sshd -i -f {made.place}/sshd_config"
        with made.config.open("a") as config:
            config.write(f"HostKeyAlias [127.0.0.1]:{made.port}\nProxyCommand {inside}\n")
        monkeypatch.setenv("CHAOSCTL_SSH_CONFIG", str(made.config))
        destination = f"root@{namespace.namespace}"
        fault = injected("process-stop", process="redis-server", where=f"ssh:{destination}", duration="5s")
        assert redis.state() == "T"
        ended = subprocess.run(
            ["ssh", "-F", made.config, "-o", f"ControlPath=/run/chaosctl-{os.geteuid()}/%C", "-O", "exit", destination],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        assert redis.state() == "T"
        fault.wait()
        wait_for(lambda: redis.answers(1.0), "it does not go on")
        fault.finish()
        assert fault.healed


@pytest.mark.guest
def test_under_systemd_its_guardian_is_a_unit_that_outlives_everybody(no_leaks: None, tmp_path: Path) -> None:
    """Which a process in the session of a login may not, where systemd ends that with all that it has started."""
    with systemd(tmp_path) as machine, subprocess.Popen(machine.inside("sleep", "600")) as victim:
        argv = machine.inside(CHAOSCTL, "inject", "process-stop", "--process=sleep", "--on=local", "--duration=20s")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, process_group=0) as run:
            fault_id = proven(run)
            unit = f"chaosctl-{fault_id}.service"
            members = machine.run("cat", f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs")
            os.killpg(run.pid, signal.SIGKILL)
        assert len(members.split()) == 1, "the guardian, in a cgroup of its own"
        assert machine.run("systemctl", "is-active", unit) == "active"
        state = ("ps", "-o", "state=", "-C", "sleep")
        assert machine.run(*state) == "T"
        wait_for(lambda: machine.run(*state) == "S", "the guardian did not let it go on")
        wait_for(lambda: machine.run("systemctl", "is-active", unit, check=False) == "inactive", "it is still there")
        recovered = machine.run(CHAOSCTL, "recover", fault_id)
        assert "Nothing of it is left" in recovered
        victim.kill()
