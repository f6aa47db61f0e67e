"""The lock of a fault: it outlives whoever took it in the commands that were started under it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner import lock
from runner.errors import Missing, Residue
from runner.lock import hold

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from runner.lock import hold
with hold("aa22", Path(sys.argv[1])) as handle:
    child = subprocess.Popen(["sleep", sys.argv[2]], pass_fds=(handle,))
    print(child.pid, flush=True)
    time.sleep(60)
"""


def orphan(path: Path, seconds: str) -> int:
    """Take the lock, hand it to a command, and be killed: returns the command's pid."""
    runner = subprocess.Popen([sys.executable, "-c", HOLDER, str(path), seconds], stdout=subprocess.PIPE, text=True)
    assert runner.stdout
    pid = int(runner.stdout.readline())
    runner.kill()
    runner.wait()
    runner.stdout.close()
    return pid


def test_lock_is_free_again_afterwards_also_after_an_error(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(KeyError), hold("aa22", tmp_path / "aa22.lock"):
            raise KeyError


def test_command_of_a_killed_runner_is_waited_for(tmp_path: Path) -> None:
    pid = orphan(tmp_path / "aa22.lock", "1.5")
    with hold("aa22", tmp_path / "aa22.lock"):
        assert not Path(f"/proc/{pid}/cwd").exists()


def test_command_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time limit died with the runner, so nobody else ends it."""
    monkeypatch.setattr(lock, "_LIMIT", 0.3)
    pid = orphan(tmp_path / "aa22.lock", "60")
    begun = time.monotonic()
    with (
        pytest.raises(Residue, match=re.escape(f"process {pid} (`sleep 60`) has been at work on it")) as held,
        hold("aa22", tmp_path / "aa22.lock"),
    ):
        pass
    assert time.monotonic() - begun >= 0.3
    assert "chaosctl recover aa22" in held.value.fix
    os.kill(pid, signal.SIGKILL)
    with hold("aa22", tmp_path / "aa22.lock"):
        pass


def test_lock_that_cannot_be_made_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Missing, match=f"{tmp_path}/file/ledger cannot be written"),
        hold("aa22", tmp_path / "file" / "ledger" / "aa22.lock"),
    ):
        pass
