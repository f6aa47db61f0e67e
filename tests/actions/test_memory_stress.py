"""memory-stress beside a real Redis in cgroups of its own; never more than is safe."""

from pathlib import Path

import pytest

from runner.errors import CommandFailed, Inconclusive, Refused
from runner.targets.netns import Netns
from tests._inject import healed, injected, injection
from tests._service import BOTH_CGROUPS, breaking, cgroup_of, service


@BOTH_CGROUPS
def test_memory_is_taken_in_the_services_own_cgroup(namespace: Netns, tmp_path: Path, cgroups: str) -> None:
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        file = Path(own.file("memory", "memory.usage_in_bytes", "memory.current"))
        before = int(file.read_text())
        made = injected("memory-stress", process="redis-server", amount="96MiB", where=namespace.name, duration="30s")
        assert int(file.read_text()) - before > 60 << 20
        assert redis.answers()
        healed(made)
        assert int(file.read_text()) - before < 32 << 20
    assert made.healed
    assert made.hits is not None


def test_stress_that_takes_nothing_is_not_proven(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, argv=["sleep", "60"])
    with (
        service(namespace, tmp_path / "one") as redis,
        cgroup_of(redis),
        pytest.raises(Inconclusive, match=r"did not show at .* MiB in use by"),
    ):
        injected("memory-stress", process="redis-server", amount="96MiB", where=redis.at.name, duration="2s")


def test_more_than_the_machine_has_to_spare_is_refused(namespace: Netns) -> None:
    with pytest.raises(Refused, match=r"would leave .* less than .* of memory: it has .* to spare"):
        injection("memory-stress", amount="1000GiB", where=namespace.name).start()


def test_more_than_the_cgroup_may_take_is_refused(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis, cgroup_of(redis) as own:
        Path(own.file("memory", "memory.limit_in_bytes", "memory.max")).write_text(str(100 << 20))
        with pytest.raises(Refused, match=r"would have its processes killed\. Nothing was touched"):
            injection("memory-stress", process="redis-server", amount="96MiB", where=namespace.name).start()


def test_machine_that_runs_short_before_it_begins_is_spared(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guardian looks again, as close to the stress as can be."""
    breaking(monkeypatch, reserve=1 << 50)
    with (
        service(namespace, tmp_path / "one") as redis,
        cgroup_of(redis),
        pytest.raises(CommandFailed, match="the machine has too little memory left for that"),
    ):
        injected("memory-stress", process="redis-server", amount="8MiB", where=redis.at.name, duration="5s")
