import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.plan import Lab
from lab.processes import Identity, end, inhabitants, namespaces, start, tail
from runner.errors import CommandFailed


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"scratch-p{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield name
    end(namespaces([name]).values(), grace=0.2)
    subprocess.run(["ip", "netns", "delete", name], check=True)


def _spaces(name: str) -> list[Identity]:
    return list(namespaces([name]).values())


def _await(found: str, log: Path) -> None:
    deadline = time.monotonic() + 30
    while found not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_service_is_detached_in_its_namespace_and_writes_its_log(namespace: str, lock: int, tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    start(namespace, ["sh", "-c", "echo hello; exec sleep 600"], log, lock)
    (pid,) = inhabitants(_spaces(namespace))
    _await("hello", log)
    assert os.getsid(pid) not in (os.getsid(0), 0)
    assert Path(f"/proc/{pid}/cwd").readlink() == tmp_path
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")


def test_a_namespace_that_is_not_there_is_told_with_the_command(lock: int, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="ip netns exec chaoslab-nowhere"):
        start("chaoslab-nowhere", ["true"], tmp_path / "log", lock)


def test_a_process_that_does_not_heed_sigterm_is_killed(namespace: str, lock: int, tmp_path: Path) -> None:
    log = tmp_path / "deaf.log"
    start(namespace, ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 600; done"], log, lock)
    _await("deaf", log)
    end(_spaces(namespace), grace=0.5)
    assert inhabitants(_spaces(namespace)) == []


def test_a_process_is_first_asked_to_end(namespace: str, lock: int, tmp_path: Path) -> None:
    log = tmp_path / "polite.log"
    start(namespace, ["sh", "-c", "trap 'echo bye; exit' TERM; echo ready; sleep 600 & wait"], log, lock)
    _await("ready", log)
    end(_spaces(namespace), grace=30)
    assert "bye" in log.read_text()


def test_nobody_else_is_ended(namespace: str, shared_lab: Lab) -> None:
    redis = [shared_lab.namespace("redis-cluster")]
    before = inhabitants(namespaces(redis).values())
    end(_spaces(namespace))
    assert inhabitants(namespaces(redis).values()) == before != []


def test_the_tail_of_a_log_is_what_a_person_needs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert tail(log) == "(there is none)"
    log.touch()
    assert tail(log) == "(it is empty)"
    log.write_text("".join(f"line {number}\n" for number in range(20)))
    assert tail(log, 2) == "line 18\nline 19"
