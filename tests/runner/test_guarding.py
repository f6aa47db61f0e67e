"""A guardian ends its fault though everything of ours is killed; where it is killed itself, the truth is told."""

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.paths import run_dir
from runner.targets.netns import Netns
from tests._alone import seeing
from tests._cli import CHAOSCTL
from tests._service import Service, cgroup_of, service, wait_for

SOON = 1.0
"""How long after its deadline a fault may be noted as ended here, where others want the processors too, seconds."""


@dataclass
class Case:
    """One fault on the command line, and a look of the test's own at whether it acts."""

    redis: Service
    argv: list[str]
    acts: Callable[[], bool]


@pytest.fixture
def case(request: pytest.FixtureRequest, namespace: Netns, tmp_path: Path) -> Iterator[Case]:
    """The fault that the test names, at a Redis of its own."""
    with ExitStack() as stack:
        redis = stack.enter_context(service(namespace, tmp_path / "redis"))
        beside = ["--process=redis-server"]
        if request.param == "process-stop":
            yield Case(redis, beside, lambda: redis.state() == "T")
        elif request.param == "disk-fill":
            disk = stack.enter_context(small(tmp_path / "disk"))
            yield Case(redis, [f"--path={disk}"], lambda: os.statvfs(disk).f_bavail == 0)
        else:
            own = stack.enter_context(cgroup_of(redis))
            size = ["--workers=1"] if request.param == "cpu-stress" else ["--amount=64MiB"]
            yield Case(redis, [*beside, *size], lambda: len(Path(own.procs[0]).read_text().split()) > 1)


@contextmanager
def small(place: Path) -> Iterator[Path]:
    """Mount a small file system."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def proven(name: str, case: Case, duration: str) -> "subprocess.Popen[str]":
    """Start it as the leader of its own process group, and return once its effect is proven."""
    argv = [CHAOSCTL, "inject", name, *case.argv, f"--on={case.redis.at.name}", f"--duration={duration}"]
    running = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, process_group=0)
    assert running.stdout
    told = []
    for line in running.stdout:
        told.append(line)
        if line.split()[:1] == ["effective"]:
            return running
    raise AssertionError("".join(told))


def killed(running: "subprocess.Popen[str]") -> None:
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def chaosctl(case: Case, place: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run another one that finds this test's namespace only."""
    place.mkdir()
    argv = [*seeing(place, case.redis.at), CHAOSCTL, *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


def noted() -> dict[str, float]:
    """Return what the guardian notes of its fault."""
    [file] = run_dir().glob("*.json")
    told: dict[str, float] = json.loads(file.read_text())
    return told


ALL = ["process-stop", "cpu-stress", "memory-stress", "disk-fill"]


@pytest.mark.parametrize(("name", "case"), [(name, name) for name in ALL], indirect=["case"])
def test_it_ends_in_time_though_everything_of_ours_is_killed(name: str, case: Case, tmp_path: Path) -> None:
    killed(proven(name, case, "6s"))
    assert case.acts(), "it does not depend on who asked for it"
    wait_for(lambda: not case.acts(), "it outlives its deadline")
    wait_for(lambda: "ended" in noted(), "its guardian does not note its end")
    told = noted()
    assert -0.01 < told["ended"] - told["until"] < SOON
    assert case.redis.answers()
    recovered = chaosctl(case, tmp_path / "seen", "recover", "--all")
    assert recovered.returncode == 0, recovered
    assert list(run_dir().iterdir()) == []


@pytest.mark.parametrize(
    ("name", "case", "with_it"),
    [("process-stop", "process-stop", False), ("cpu-stress", "cpu-stress", True), ("disk-fill", "disk-fill", True)],
    indirect=["case"],
)
def test_where_the_guardian_is_killed_too(name: str, case: Case, with_it: bool, tmp_path: Path, state: Path) -> None:
    """The kernel ends with it what it can; the rest is listed as live, without a ledger too, and can be undone."""
    killed(proven(name, case, "1h"))
    os.kill(int(noted()["guardian"]), signal.SIGKILL)
    if with_it:
        wait_for(lambda: not case.acts(), "the kernel does not end it with its guardian")
    for file in (state / "ledger").iterdir():
        file.unlink()
    expected = "inert" if with_it else "live"

    looks = itertools.count()

    def listed() -> tuple[str, str]:
        [told] = json.loads(chaosctl(case, tmp_path / f"look {next(looks)}", "faults", "--output", "json").stdout)
        return told["fault"], told["state"]

    wait_for(lambda: listed() == (name, expected), f"it is never listed as {expected}")
    assert case.acts() != with_it
    recovered = chaosctl(case, tmp_path / "seen again", "recover", "--all")
    assert recovered.returncode == 0, recovered
    assert not case.acts()
    assert case.redis.answers()
    assert list(run_dir().iterdir()) == []


@pytest.mark.parametrize("case", ["process-stop"], indirect=True)
def test_a_note_that_is_damaged_is_told_and_keeps_nothing_else_from_being_told(case: Case, tmp_path: Path) -> None:
    killed(proven("process-stop", case, "1h"))
    [file] = run_dir().glob("*.json")
    whole = file.read_text()
    file.write_text(whole[: len(whole) // 2])
    (run_dir() / "zz99.json").write_text("[]\n")
    said = chaosctl(case, tmp_path / "one", "faults", "--output", "json")
    assert said.returncode == 0, said
    told = {each["id"]: each for each in json.loads(said.stdout)}
    assert told[file.stem]["state"] == "live", "the ledger knows it still"
    assert f"{run_dir()}/zz99.json is damaged" in told["zz99"]["sentence"]
    refused = chaosctl(case, tmp_path / "three", "recover", file.stem)
    assert refused.returncode == 6
    assert "is damaged, so what it did is not known" in refused.stderr
    (run_dir() / "zz99.json").unlink()
    file.write_text(whole)
    assert chaosctl(case, tmp_path / "four", "recover", file.stem).returncode == 0
    assert not case.acts()
