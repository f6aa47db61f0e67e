import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.down import down
from lab.plan import Lab
from runner.errors import Missing, Residue

_UP = "import sys; from lab.up import up; up(lambda line: print(line, flush=True), *sys.argv[1:])"
# Lab commands that are killed while their child is on its way: a change to the machine, and a service being started
# by an `ip` that takes its time between looking up the namespace and entering it. Both wait to be let go.
_CHANGING = """
import sys
from lab.commands import run
from lab.lock import held
from lab.plan import Lab
lab = Lab(sys.argv[1])
with held(lab, print) as lock:
    run(["sh", "-c", f"touch arrived; until [ -e go ]; do sleep 0.05; done; ip netns add {lab.namespace('dns')}"], lock)
"""
_STARTING = """
import sys
from lab.lock import held
from lab.plan import Lab
from lab.processes import start
lab = Lab(sys.argv[1])
lab.state.mkdir(parents=True)
with held(lab, print) as lock:
    start(lab.namespace("dns"), ["sleep", "600"], lab.state / "dns.log", lock)
"""
_SLOW_IP = """#!/bin/sh
exec 9<"/run/netns/$3"
shift 3
touch {0}/arrived
until [ -e {0}/go ]; do sleep 0.05; done
exec nsenter --net=/proc/self/fd/9 -- "$@"
"""

TracesOf = Callable[[Lab], list[str]]


@dataclass(frozen=True)
class Moment:
    """A moment on the way up: when `come` is true, or `later` seconds after it; `group` kills the children too."""

    name: str
    come: Callable[[Lab], object]
    later: float = 0.0
    group: bool = False


def _namespaces(lab: Lab) -> int:
    return len(list(Path("/run/netns").glob(f"chaoslab-{lab.name}-*")))


def _logs(lab: Lab) -> int:
    return len(list(lab.state.glob("*.log")))


MOMENTS = (
    Moment("the lock is taken", lambda lab: lab.marker.exists()),
    Moment("the lab is noted", lambda lab: lab.state.exists(), group=True),
    Moment("the first namespace is there", lambda lab: _namespaces(lab) >= 1),
    Moment("half of the namespaces are there", lambda lab: _namespaces(lab) >= 5, group=True),
    Moment("the link is there", lambda lab: lab.link in [name for _, name in socket.if_nameindex()]),
    Moment("the first service is started", lambda lab: _logs(lab) >= 1),
    Moment("half of the services are started", lambda lab: _logs(lab) >= 4, group=True),
    Moment("the last service is started", lambda lab: _logs(lab) >= 8),
    Moment("it waits for health", lambda lab: _logs(lab) >= 8, later=2.0, group=True),
    Moment("it is up", lambda lab: lab.environment.exists(), group=True),
)


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: str(moment.name))
def test_nothing_is_left_of_a_lab_that_was_killed_on_its_way_up(
    downed_lab: Lab, traces_of: TracesOf, moment: Moment
) -> None:
    command = [sys.executable, "-c", _UP, downed_lab.name, downed_lab.subnet]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as going_up:
        _await(lambda: moment.come(downed_lab))
        time.sleep(moment.later)
        if moment.group:
            os.killpg(going_up.pid, signal.SIGKILL)
        else:
            going_up.kill()
    assert traces_of(downed_lab) != []
    down(downed_lab.name, print)
    assert traces_of(downed_lab) == []


def _await(come: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.0005)


@pytest.mark.parametrize("program", [_CHANGING, _STARTING], ids=["a change", "a service"])
def test_what_was_on_its_way_when_the_lab_was_killed_is_waited_for(
    downed_lab: Lab, traces_of: TracesOf, tmp_path: Path, program: str
) -> None:
    subprocess.run(["ip", "netns", "add", downed_lab.namespace("dns" if program is _STARTING else "etcd")], check=True)
    if program is _STARTING:
        (tmp_path / "ip").write_text(_SLOW_IP.format(tmp_path))
        (tmp_path / "ip").chmod(0o755)
    searched = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen([sys.executable, "-c", program, downed_lab.name], cwd=tmp_path, env=searched) as killed:
        _await((tmp_path / "arrived").exists)
        killed.kill()
    said: list[str] = []

    def let_go(line: str) -> None:
        said.append(line)
        (tmp_path / "go").touch()

    down(downed_lab.name, let_go)
    assert traces_of(downed_lab) == []
    assert said[0] == f"{downed_lab.name}: waiting for another command that works on this lab"
    assert "nothing is left" in said[-1]


def test_a_lab_that_is_not_there_is_no_error(downed_lab: Lab, traces_of: TracesOf) -> None:
    said: list[str] = []
    down(downed_lab.name, said.append)
    assert said == [f"{downed_lab.name}: there was nothing to take down"]
    assert traces_of(downed_lab) == []


@pytest.fixture
def neighbour(downed_lab: Lab) -> Iterator[str]:
    name = f"chaoslab-{downed_lab.name}x-dns"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def test_what_the_lab_did_not_make_stays(downed_lab: Lab, neighbour: str, shared_lab: Lab) -> None:
    subprocess.run(["ip", "netns", "add", downed_lab.namespace("dns")], check=True)
    foreign = downed_lab.environment
    foreign.parent.mkdir(parents=True)
    foreign.write_text("environments: {}\n")
    down(downed_lab.name, print)
    assert Path("/run/netns", neighbour).exists()
    assert foreign.exists()
    assert shared_lab.environment.exists()


def test_a_lab_noted_under_another_state_directory_is_found(
    downed_lab: Lab, traces_of: TracesOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downed_lab.state.mkdir(parents=True)
    downed_lab.marker.parent.mkdir(exist_ok=True)
    downed_lab.marker.write_text(downed_lab.to_json())
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    down(downed_lab.name, print)
    assert traces_of(downed_lab) == []


def test_what_cannot_be_removed_is_named_with_the_command_for_it(downed_lab: Lab) -> None:
    held = downed_lab.state / "held"
    held.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(held)], check=True)
    try:
        with pytest.raises(Residue, match="could not be removed altogether") as residue:
            down(downed_lab.name, print)
        assert str(downed_lab.state) in residue.value.message
        assert f"rm -r {downed_lab.state}" in residue.value.fix
    finally:
        subprocess.run(["umount", str(held)], check=True)


def test_only_root_may(downed_lab: Lab) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(Missing, match="only root"):
            down(downed_lab.name, print)
    finally:
        os.seteuid(0)
