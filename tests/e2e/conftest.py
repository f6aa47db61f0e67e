"""Whole experiments on a lab that is up for all tests of this folder."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.down import down
from lab.plan import Lab
from lab.up import up
from tests._network import OURS

ROOT = Path(__file__).parent.parent.parent
EXPERIMENTS = ROOT / "experiments"
NAME = OURS
SUBNET = f"10.{100 + os.getpid() % 50}.7.0/24"


@pytest.fixture(scope="package")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where lab and store of these tests are."""
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(autouse=True)
def state(state_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Share one state directory, because the lab's environment is in it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(state_home))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHAOSCTL_ENV", NAME)
    monkeypatch.delenv("CHAOSCTL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return state_home / "chaosctl"


@pytest.fixture(scope="package")
def lab(state_home: Path) -> Iterator[Lab]:
    """A lab, up and healthy."""
    if os.geteuid() != 0:
        pytest.skip("the lab is made of network namespaces, which need root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state_home))
        yield up(print, NAME, SUBNET)
        down(NAME, print)


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    code: int
    out: str
    err: str
    record: dict[str, Any]


def tool(name: str) -> str:
    """Return the path of a command beside this Python."""
    return str(Path(sys.executable).parent / name)


def variables(**values: str) -> list[str]:
    """Return values as options."""
    return [part for key, value in values.items() for part in ("--var", f"{key}={value}")]


def chaosctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run chaosctl to its end."""
    return subprocess.run([tool("chaosctl"), *arguments], capture_output=True, text=True, timeout=110, check=False)


def last_record() -> dict[str, Any]:
    """Return the newest record of the store."""
    shown = chaosctl("report", "show", "last", "--output", "json")
    assert shown.returncode == 0, shown.stderr
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def chaos_run(experiment: Path, patience: float = 110, **values: str) -> Done:
    """Run an experiment by plain `chaos run`; it is killed after so many seconds."""
    argv = [tool("chaos"), "--no-version-check", "--no-log-file", "run", *variables(**values), str(experiment)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=patience, check=False)
    return Done(done.returncode, done.stdout, done.stderr, last_record())


def chaosctl_run(experiment: Path, **values: str) -> Done:
    """Run an experiment by `chaosctl run`."""
    done = chaosctl("run", str(experiment), *variables(**values), "--output", "json")
    return Done(done.returncode, done.stdout, done.stderr, json.loads(done.stdout))
