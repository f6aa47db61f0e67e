"""cpu-stress beside a real Redis in cgroups of its own, by the accounting of these cgroups."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import Inconclusive
from runner.targets.netns import Netns
from tests._inject import healed, injected
from tests._service import BOTH_CGROUPS, breaking, cgroup_of, service, wait_for


def stressors(procs: list[str]) -> int:
    """Return how many processes of stress-ng are in all of these cgroups."""
    members = [set(Path(file).read_text().split()) for file in procs if "cpuset" not in file]
    return sum(_comm(pid).startswith("stress-ng") for pid in set.intersection(*members))


def _comm(pid: str) -> str:
    file = Path(f"/proc/{pid}/comm")
    return file.read_text() if file.exists() else ""


@BOTH_CGROUPS
def test_processors_are_used_in_the_services_own_cgroup_alone(
    namespaces: Callable[[], Netns], tmp_path: Path, cgroups: str
) -> None:
    with (
        service(namespaces(), tmp_path / "one") as redis,
        service(namespaces(), tmp_path / "other") as other,
        cgroup_of(redis) as own,
        cgroup_of(other) as apart,
    ):
        made = injected("cpu-stress", process="redis-server", workers=1, where=redis.at.name, duration="30s")
        assert stressors(own.procs) >= 2, "stress-ng and its worker"
        assert stressors(apart.procs) == 0
        for _ in range(20):
            assert redis.answers()
        healed(made)
        wait_for(lambda: stressors(own.procs) == 0, "stress-ng is still there")
    [course] = made.courses
    assert course.during
    assert "cpu" in course.during.detail
    assert made.healed
    assert made.hits is not None
    assert made.hits > 0, "Redis ran beside it"


def test_stress_that_does_nothing_is_not_proven(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, argv=["sleep", "60"])
    with (
        service(namespace, tmp_path / "one") as redis,
        cgroup_of(redis),
        pytest.raises(Inconclusive, match=r"did not show at .* processors in use by \S+, 0\.\d+ before"),
    ):
        injected("cpu-stress", process="redis-server", workers=1, where=redis.at.name, duration="2s")


def test_demand_is_what_the_quota_allows(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        first = Path(own.file("cpu", "cpu.cfs_quota_us", "cpu.max"))
        if not first.exists():
            pytest.skip("no cpu controller in the cgroups of this machine")
        first.write_text("50000" if "quota" in first.name else "50000 100000")
        assert own.processors == 0.5
