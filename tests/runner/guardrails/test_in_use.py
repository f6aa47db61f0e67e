"""Targets belong to one process at a time, and to nobody once it is gone, however it went."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.guardrails import in_use
from runner.guardrails.in_use import Locks

HOLDER = """
import sys, time
from runner.guardrails.in_use import Locks
told = Locks("ada@host pid 7", "network-dns abcd").take({identity: identity for identity in sys.argv[1:]})
print("taken" if all(ruling.allowed for ruling in told) else told[0].reason, flush=True)
time.sleep(600)
"""


@contextmanager
def another(*identities: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that takes targets and keeps them."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, *identities], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def taken(locks: Locks, *identities: str) -> list[str]:
    """Take targets, and return why not."""
    return [each.reason for each in locks.take({each: f"at {each}" for each in identities}) if not each.allowed]


def test_target_of_another_process_is_refused_with_who_has_it(state: Path) -> None:
    with another("x", "y") as process:
        assert said(process) == "taken"
        locks = Locks("me", "mine")
        told = taken(locks, "x", "z")
        assert len(told) == 1
        assert told[0].startswith("at x is in use by ada@host pid 7 since 20")
        assert told[0].endswith(": network-dns abcd.")
        found = in_use.holder("y")
        assert found
        assert (found.owner, found.what) == ("ada@host pid 7", "network-dns abcd")
        assert in_use.holder("z") is None, "it is this process's own"
        locks.release()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_lock_dies_with_its_process(state: Path, number: signal.Signals) -> None:
    with another("x") as process:
        assert said(process) == "taken"
        process.send_signal(number)
        process.wait()
        assert in_use.holder("x") is None
        locks = Locks("me", "mine")
        assert taken(locks, "x") == []
        locks.release()


def test_faults_of_one_process_may_overlap_and_the_last_lets_go(state: Path) -> None:
    one, other = Locks("me", "one"), Locks("me", "other")
    assert taken(one, "x") == taken(other, "x") == taken(one, "x") == []
    one.release()
    one.release()
    with another("x") as process:
        assert said(process).startswith("x is in use by me since 20")
    other.release()
    with another("x") as process:
        assert said(process) == "taken"


def test_asking_takes_nothing_and_leaves_nothing(state: Path) -> None:
    assert in_use.rule({"x": "at x"})[0].allowed
    assert not list(state.rglob("*.lock"))
    locks = Locks("me", "mine")
    taken(locks, "x")
    assert len(list(state.rglob("*.lock"))) == 1
    locks.release()
    assert not list(state.rglob("*.lock")), "a machine that runs for years keeps no file for each namespace there was"


def test_many_who_want_the_same_target_get_it_one_at_a_time(state: Path) -> None:
    """Whoever lets go removes the file, so that two could lock two files of one name."""
    script = """
import sys
from runner.guardrails.in_use import Locks
for _ in range(200):
    locks = Locks("x", "y")
    if all(ruling.allowed for ruling in locks.take({"x": "x"})):
        open(sys.argv[1], "x").close()
        __import__("os").unlink(sys.argv[1])
    locks.release()
"""
    mark = str(state.parent / "inside")
    state.parent.mkdir(parents=True)
    running = [subprocess.Popen([sys.executable, "-c", script, mark], stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        assert process.communicate(timeout=100)[1] == b""
        assert process.returncode == 0
