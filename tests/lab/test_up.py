import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.hosts import HOSTS
from lab.network import spaces
from lab.plan import Lab
from lab.processes import inhabitants, namespaces
from lab.up import running, up
from runner.errors import Missing, UsageError

_UP = "import sys; from lab.up import up; up(lambda line: print(line, flush=True), *sys.argv[1:])"

# A part whose process has ended is not waited for, however long it might take.
_UP_PATIENTLY = """
import sys
from dataclasses import replace
import lab.up
import lab.kinds
patient = replace(lab.kinds._NATIVE, hosts=tuple(replace(host, limit=1000.0) for host in lab.kinds._NATIVE.hosts))
lab.up.kind = lambda _: patient
lab.up.up(print, *sys.argv[1:])
"""

TracesOf = Callable[[Lab], list[str]]


def _processes(lab: Lab) -> list[int]:
    return sorted(inhabitants(namespaces(spaces(lab)).values()))


def test_a_healthy_lab_stays_as_it_is_and_says_so(shared_lab: Lab) -> None:
    before, said = _processes(shared_lab), list[str]()
    assert up(said.append, shared_lab.name) == shared_lab
    assert _processes(shared_lab) == before
    assert len(before) == len(HOSTS)
    assert said == [
        f"{shared_lab.name}: is up and healthy already, and stays as it is; environment: {shared_lab.environment}"
    ]


def test_an_environment_file_that_was_lost_is_written_again(shared_lab: Lab) -> None:
    shared_lab.environment.unlink()
    up(print, shared_lab.name)
    assert shared_lab.environment.exists()


@pytest.mark.parametrize("change", [{"subnet": "10.199.1.0/24"}, {"scrape_interval": 15.0}])
def test_a_healthy_lab_does_not_change_while_it_runs(shared_lab: Lab, change: dict[str, str | float]) -> None:
    before = _processes(shared_lab)
    with pytest.raises(UsageError, match="cannot change while it runs") as refusal:
        up(print, shared_lab.name, **change)  # type: ignore[arg-type] # one keyword or the other
    assert f"chaosctl lab down --name {shared_lab.name}" in refusal.value.fix
    assert _processes(shared_lab) == before


def test_a_range_that_is_taken_is_refused_and_nothing_is_touched(
    shared_lab: Lab, downed_lab: Lab, traces_of: TracesOf
) -> None:
    before = _processes(shared_lab)
    with pytest.raises(UsageError, match="is taken"):
        up(print, downed_lab.name, shared_lab.subnet)
    assert traces_of(downed_lab) == []
    assert _processes(shared_lab) == before


def test_a_name_that_the_user_has_taken_is_refused_and_nothing_is_touched(
    downed_lab: Lab, traces_of: TracesOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(f"environments:\n  {downed_lab.name}:\n    kind: production\n")
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(own))
    with pytest.raises(UsageError, match="defines an environment of that name"):
        up(print, downed_lab.name, downed_lab.subnet)
    assert traces_of(downed_lab) == []


def test_only_root_may(downed_lab: Lab) -> None:
    os.seteuid(65534)
    try:
        with pytest.raises(Missing, match="only root"):
            up(print, downed_lab.name, downed_lab.subnet)
    finally:
        os.seteuid(0)


def test_a_part_that_does_not_start_is_named_with_its_log_and_nothing_is_left(
    downed_lab: Lab, traces_of: TracesOf, tmp_path: Path
) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho cannot lock memory >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    command = [sys.executable, "-c", _UP_PATIENTLY, downed_lab.name, downed_lab.subnet]
    searched = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=searched)
    told = done.stderr.partition("Unreachable: ")[2]
    assert told.startswith(f"redis-cluster of lab {downed_lab.name!r} ended by itself: ")
    assert "its log ends so:\ncannot lock memory" in told
    assert "chaosctl lab up" in told
    assert traces_of(downed_lab) == []


def test_an_interrupt_takes_down_what_was_started(downed_lab: Lab, traces_of: TracesOf) -> None:
    command = [sys.executable, "-c", _UP, downed_lab.name, downed_lab.subnet]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as going_up:
        assert going_up.stdout
        assert any(": started " in line for line in going_up.stdout)
        os.killpg(going_up.pid, signal.SIGINT)
    assert going_up.returncode == -signal.SIGINT
    assert traces_of(downed_lab) == []


def test_an_ailing_lab_is_built_anew(downed_lab: Lab, traces_of: TracesOf) -> None:
    said: list[str] = []
    with running(print, downed_lab.name, downed_lab.subnet) as lab:
        (redis,) = inhabitants(namespaces([lab.namespace("redis-cluster")]).values())
        before = _processes(lab)
        os.kill(redis, signal.SIGKILL)
        up(said.append, lab.name)
        assert set(before).isdisjoint(_processes(lab))
        assert len(_processes(lab)) == len(HOSTS)
    assert said[0].startswith(f"{lab.name}: is there but not healthy and is built anew (redis-cluster: ")
    assert traces_of(lab) == []


def test_each_step_is_said_and_the_time_it_took(downed_lab: Lab) -> None:
    said: list[str] = []
    with running(said.append, downed_lab.name, downed_lab.subnet, 0.5) as lab:
        healthy = {line.split()[2] for line in said if " is healthy (" in line}
        assert len(healthy) == len(HOSTS)
        assert said[-1].startswith(f"{lab.name}: up and healthy (")
    print(*said, sep="\n")  # noqa: T201 - figures to read
    assert "nothing is left" in said[-1]
