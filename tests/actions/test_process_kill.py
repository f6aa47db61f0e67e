"""process-kill on a real Redis, with somebody who starts another one and without."""

from pathlib import Path

import pytest

from runner.errors import Inconclusive
from runner.targets.netns import Netns
from tests._inject import injected
from tests._service import breaking, service


def test_it_is_killed_and_its_replacement_is_seen(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one", supervised=True) as redis:
        before = redis.pids
        made = injected("process-kill", process="redis-server", where=namespace.name, duration="60s")
        made.wait()
        made.finish()
        assert redis.answers()
        assert set(redis.pids).isdisjoint(before)
    [course] = made.courses
    assert (made.healed, made.hits, course.errors) == (True, 1, [])
    assert made.plan.sentence == f"redis-server is killed at {namespace.name}", "it does not last"
    assert course.after
    assert "in place of 1 that were killed" in course.after.detail


def test_without_a_replacement_it_is_not_healed(namespace: Netns, tmp_path: Path) -> None:
    with service(namespace, tmp_path / "one") as redis:
        made = injected("process-kill", process="redis-server", where=namespace.name, duration="500ms")
        made.wait()
        made.finish()
        assert not redis.answers(0.2)
    assert not made.healed
    assert made.finished, "nothing of ours is left"


def test_signal_that_does_not_kill_is_not_proven(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, begin="SIGCONT")
    with service(namespace, tmp_path / "one") as redis:
        with pytest.raises(Inconclusive, match=r"did not show at .*redis-server \d+ is still there"):
            injected("process-kill", process="redis-server", where=namespace.name, duration="500ms")
        assert redis.answers()
