"""Acknowledged writes on a real Redis: one that keeps what it said, and one that loses it with its process."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis

from probes.acked_writes import Writer, follow, lost
from reports.record import Promise, Series
from reports.verdict import judge
from runner.errors import Unreachable, UsageError
from runner.model import EndsBy, Outcome, Sample, Verdict, clock
from runner.sampler import Follower, Sampler
from tests._service import wait_for
from tests.reports._records import fault, record, target

KEPT, FORGOTTEN = ("--appendonly", "yes", "--appendfsync", "always"), ("--appendonly", "no")
"""What is kept every second alone is not kept: on a slow disk Redis acknowledges before it has written anything."""


@dataclass
class Redis:
    """A Redis behind a socket, that can be killed and started again over what it kept."""

    folder: Path
    options: tuple[str, ...]
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/redis.sock"

    def start(self) -> None:
        argv = ["redis-server", "--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", ""]
        self.process = subprocess.Popen([*argv, "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL)
        wait_for(self.answers, "Redis does not answer")

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, decode_responses=True)

    def signal(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process:
            self.signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Redis]:
    made = Redis(folder, options)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@contextmanager
def followed(url: str) -> Iterator[tuple[Writer, Follower]]:
    """Yield a writer whose samples are taken as in a run: good is where nothing is lost."""
    writer = follow("lost", {"url": url})
    assert writer
    follower = Follower("no write is lost", writer, 0, lambda value: value == 0, hard=True, invariant=True)
    sampler = Sampler([follower], lambda _: None)
    sampler.start(clock())
    try:
        yield writer, follower
    finally:
        sampler.stop()


def after(follower: Follower, moment: float, many: int = 3) -> list[Sample]:
    """Return the samples after a moment, once there are so many."""
    wait_for(lambda: sum(each.at > moment for each in follower.samples) >= many, "no samples come")
    return [each for each in follower.samples if each.at > moment]


def test_what_a_killed_redis_kept_is_no_loss_and_the_time_it_was_away_is_judged_afterwards(tmp_path: Path) -> None:
    with running(tmp_path, *KEPT) as server, followed(server.url) as (writer, follower):
        after(follower, 0)
        server.kill()
        killed = clock()
        wait_for(lambda: clock() > killed + 2.5, "time stands still")
        assert not after_or_none(follower, killed), "nothing is said of a time that cannot be judged"
        with pytest.raises(Unreachable, match="was not answered"):
            lost(server.url)
        server.start()
        found = after(follower, clock())
        assert {each.outcome for each in follower.samples} == {Outcome.GOOD}
        assert sum(killed < each.at <= killed + 2.5 for each in follower.samples) >= 2, "it is judged all the same"
        assert found[-1].value == 0
        assert len(writer._acknowledged) > 20
        assert lost(server.url) == 0
    assert all(later.at - earlier.at < 1.5 for earlier, later in pairwise(follower.samples))


def after_or_none(follower: Follower, moment: float) -> list[Sample]:
    return [each for each in follower.samples if each.at > moment]


def test_what_a_killed_redis_forgot_is_lost_for_all_that_follows(tmp_path: Path) -> None:
    """The real loss: what was acknowledged was in memory alone."""
    with running(tmp_path, *FORGOTTEN) as server, followed(server.url) as (writer, follower):
        after(follower, 0)
        server.kill()
        promised, killed = len(writer._acknowledged), clock()
        server.start()
        assert all(each.value == 0 for each in follower.samples if each.at <= killed), "it is not dated back"
        found = after(follower, killed + 1)
        assert {(each.outcome, each.value) for each in found} == {(Outcome.BAD, promised)}
        assert f"{promised} of " in found[0].detail
        assert "acknowledged writes are gone, the first was acknowledged at 20" in found[0].detail
        assert lost(server.url) == promised


def test_one_lost_write_of_many_is_seen(tmp_path: Path) -> None:
    with running(tmp_path) as server, followed(server.url) as (writer, follower):
        after(follower, 0, 1)
        _, name = writer._acknowledged[7]
        assert server.client().lrem(writer._list, 1, name) == 1
        wait_for(lambda: follower.samples[-1].value == 1, "nobody noticed")
        assert lost(server.url) == 1


def test_writes_that_were_not_acknowledged_are_nobodys_promise(tmp_path: Path) -> None:
    with running(tmp_path) as server, followed(server.url) as (writer, follower):
        after(follower, 0, 1)
        server.signal(signal.SIGSTOP)
        known, stopped = len(writer._acknowledged), clock()
        wait_for(lambda: clock() > stopped + 2.5, "time stands still")
        assert len(writer._acknowledged) <= known + 1
        server.signal(signal.SIGCONT)
        assert {each.outcome for each in after(follower, clock())} == {Outcome.GOOD}
        there = server.client().llen(writer._list)
        assert there >= len(writer._acknowledged) - 1


def test_its_list_goes_with_it_and_without_it_within_the_hour(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        with followed(server.url) as (writer, follower):
            after(follower, 0, 1)
            assert 0 < server.client().ttl(writer._list) <= 3600
        assert lost(server.url) == 0
        assert server.client().keys() == []


def test_a_redis_that_never_answers_gives_no_samples(tmp_path: Path) -> None:
    writer = Writer(f"unix://{tmp_path}/nobody")
    assert writer.samples(0, 100) == []
    with pytest.raises(Unreachable, match=r"acknowledged writes to .*/nobody: RPUSH was not answered"):
        writer.write()
    writer.remove()


def test_a_url_of_something_else_is_refused_and_no_password_is_told() -> None:
    with pytest.raises(UsageError, match="is not the URL of a Redis"):
        lost("http://here")
    assert Writer("redis://ada:secret@redis:6379/1").query == "acknowledged writes to redis:6379"
    assert follow("other", {}) is None


def test_a_lost_write_leaves_nothing_of_a_score(tmp_path: Path) -> None:
    """What was followed on a Redis that is killed and keeps nothing, in a record, judged."""
    with running(tmp_path, *FORGOTTEN) as server, followed(server.url) as (_, follower):
        begun = clock()
        after(follower, begun, 7)
        committed = clock()
        server.kill()
        effective = clock()
        server.start()
        healed = clock()
        after(follower, healed, 8)
    moments: dict[str, Any] = {"committed": committed, "effective": effective, "ended": healed, "healed": healed}
    struck = fault(target(**moments), ends_by=EndsBy.ONE_SHOT)
    lost_series = Series.model_validate(follower.account(begun))
    promise = Promise(service="payment", objective=1.0)
    judgement = judge(record(faults=(struck,), series=(lost_series,), promise=promise, started=begun, ended=clock()))
    assert (judgement.verdict, judgement.exit_code) == (Verdict.FAIL, 1), judgement.reasons
    assert judgement.score == 0
    assert judgement.reasons[0].startswith("The invariant no write is lost broke: ")
