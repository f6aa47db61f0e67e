"""disk-slow: refused where cgroups have no io.max; where they have, on a real disk."""

import subprocess
from pathlib import Path

import pytest

from runner import cgroups, guarding
from runner.errors import Missing
from runner.targets import reach
from runner.targets.netns import Netns
from tests._inject import injection
from tests._network import OURS
from tests._service import cgroup_of, service


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
