"""disk-slow: refused where cgroups have no io.max; where they have, on a real disk."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from probes import disk as probe
from runner import cgroups, guarding
from runner.errors import Inconclusive, Missing
from runner.targets import reach
from runner.targets.netns import Netns
from tests._cli import chaosctl, proven, started
from tests._inject import healed, injected, injection
from tests._network import OURS
from tests._service import breaking, cgroup_of, service, wait_for

RATE = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system on a block device of its own."""
    place, file = tmp_path / "disk", tmp_path / "blocks"
    place.mkdir()
    with file.open("wb") as blocks:
        blocks.truncate(64 << 20)
    subprocess.run(["modprobe", "loop"], capture_output=True, check=False)  # it may be part of the kernel
    device = _run("losetup", "--find", "--show", str(file))
    try:
        _run("mkfs.ext4", "-q", device)
        _run("mount", device, str(place))
        try:
            yield place
        finally:
            _run("umount", str(place))
    finally:
        _run("losetup", "--detach", device)


def _run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def number(disk: Path) -> str:
    return _run("findmnt", "--noheadings", "--output=MAJ:MIN", "--target", str(disk))


def took(procs: Path, disk: Path) -> float:
    """Return how long it takes to write a mebibyte to a disk from within a cgroup, in seconds."""
    look = probe.speed(reach("local"), None, str(procs), str(disk), RATE)
    return float(look.evidence["took"])


@pytest.mark.unified
def test_a_disk_is_slow_for_one_cgroup_and_then_as_it_was(namespace: Netns, disk: Path, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        limits, within = Path(own.unified, "io.max"), Path(own.unified, "cgroup.procs")
        limits.write_text(f"{number(disk)} rbps=80000000 wiops=5000")
        before = limits.read_text()
        asked = {"process": "redis-server", "path": str(disk), "rate": "1MiB", "where": namespace.name}
        made = injected("disk-slow", duration="10m", **asked)
        assert f"{number(disk)} rbps={RATE} wbps={RATE} " in limits.read_text()
        assert took(within, disk) > 0.5
        assert took(Path("/sys/fs/cgroup/cgroup.procs"), disk) < 0.5, "others are not held back"
        assert healed(made).healed, made.account()
        assert made.hits
        assert limits.read_text() == before
        assert took(within, disk) < 0.5


@pytest.mark.unified
def test_a_limit_that_slows_nothing_down_is_not_proven(
    namespace: Netns, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, during=f"{number(disk)} rbps={RATE}")
    with (
        service(namespace, tmp_path / "one") as redis,
        cgroup_of(redis),
        pytest.raises(Inconclusive, match="did not show"),
    ):
        injected("disk-slow", process="redis-server", path=str(disk), rate="1MiB", where=namespace.name, duration="8s")


@pytest.mark.unified
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "its guardian killed as well"])
def test_with_everybody_dead_its_guardian_ends_it_or_recover_does(
    namespace: Netns, disk: Path, tmp_path: Path, guarded: bool
) -> None:
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        limits, held = Path(own.unified, "io.max"), f"{number(disk)} rbps={RATE} wbps={RATE} "
        argv = ["inject", "disk-slow", "--process=redis-server", f"--path={disk}", "--rate=1MiB"]
        with started(*argv, f"--on={namespace.name}", "--duration=20s") as run:
            fault_id = proven(run)
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        assert held in limits.read_text(), "it was still there when everybody was dead"
        if guarded:
            wait_for(lambda: not limits.read_text(), "the guardian did not take the limit away")
            wait_for(lambda: f"{fault_id}  inert" in chaosctl("faults").out, "its guardian is still there")
        else:
            [guardian] = _guardians(fault_id)
            subprocess.run(["kill", "-KILL", guardian], check=True)
            assert f"{fault_id}  live" in chaosctl("faults").out
            assert held in limits.read_text()
        assert chaosctl("recover", fault_id).code == 0
        assert limits.read_text() == ""


def test_without_version_2_it_is_refused_with_the_reason(namespace: Netns, tmp_path: Path) -> None:
    """In the root of all cgroups there is no io.max in either version."""
    with service(namespace, tmp_path / "one") as redis:
        unified = cgroups.of(reach("local"), redis.pids[0]).unified
        if (Path(unified) / "io.max").exists():
            pytest.skip("the tests themselves run in a cgroup that has io.max: see the guest's test")
        with pytest.raises(Missing, match=r"the cgroup of redis-server has no io\.max") as missing:
            injection("disk-slow", process="redis-server", path="/", rate="1MiB", where=namespace.name).start()
        assert "cgroup version 2 with the io controller" in missing.value.fix


def test_setting_is_written_and_written_back(namespace: Netns, tmp_path: Path) -> None:
    """By the same guardian, on a setting that cgroups have here: the weight of a cgroup's processors."""
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        file = Path(own.file("cpu", "cpu.shares", "cpu.weight"))
        before = file.read_text().strip()
        work = {
            "file": str(file),
            "during": "512",
            "after": before,
            "shown": "512",
            "used": str(file.parent / "io.stat"),
            "device": "254:0 ",
        }
        fault_id = f"s{OURS}"[:8]
        steps = guarding.steps(fault_id, "disk-slow", namespace.name, 60.0, "setting", work)
        namespace.run(steps.inject[0])
        assert file.read_text().strip() == "512"
        [guardian] = _guardians(fault_id)
        assert namespace.run(steps.checks[0].command) == "live\n"
        subprocess.run(["kill", "-KILL", guardian], check=True)
        assert namespace.run(steps.checks[0].command) == "live\n", "it acts on without its guardian, and says so"
        namespace.run(steps.undo[0])
        assert file.read_text().strip() == before


def _guardians(fault_id: str) -> list[str]:
    return subprocess.run(
        ["pgrep", "-f", f"{fault_id}.py guard"], capture_output=True, text=True, check=True
    ).stdout.split()
