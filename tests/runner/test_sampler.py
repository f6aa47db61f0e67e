"""Followers and the sampler, with a source of the test's own."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reports.record import Series
from runner.errors import ChaosctlError, Inconclusive, Unreachable
from runner.model import Outcome, Sample, clock
from runner.sampler import Follower, Polled, Sampler

GOOD, BAD = Outcome.GOOD, Outcome.BAD


@dataclass
class Script:
    """A source that gives what the test put into it, once."""

    query: str = "q"
    interval: float = 0.01
    resolution: float = 0.5
    settling: float = 0.0
    ready: list[Sample | ChaosctlError] = field(default_factory=list)
    closed: bool = False

    def samples(self, start: float, end: float) -> list[Sample]:
        found, self.ready = self.ready, []
        for entry in found:
            if isinstance(entry, ChaosctlError):
                raise entry
        return [entry for entry in found if isinstance(entry, Sample) and start < entry.at <= end]

    def close(self) -> None:
        self.closed = True


def follower(source: Any, within: Callable[[Any], bool] = lambda value: value >= 1) -> Follower:
    made = Follower("p", source, [1, 2], within, hard=True)
    made.begin(clock() - 100)
    return made


def fed(*entries: Sample | ChaosctlError) -> Follower:
    """Return a follower that took each in a turn of its own."""
    source = Script()
    made = follower(source)
    made._live_from -= 10
    for entry in entries:
        source.ready = [entry]
        made.take()
    return made


def now(outcome: Outcome = GOOD, value: float | None = 1.0) -> Sample:
    return Sample(clock(), outcome, value)


def outcomes(made: Follower) -> list[Outcome]:
    return [sample.outcome for sample in made.samples]


def test_values_are_held_against_the_tolerance() -> None:
    assert outcomes(fed(now(value=1.0), now(value=0.5), now(value=3.0))) == [GOOD, BAD, GOOD]


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not GOOD])
def test_sample_without_a_value_is_never_held_against_it(outcome: Outcome) -> None:
    """No data is not a good answer, and not a bad one either."""
    assert outcomes(fed(now(outcome, None))) == [outcome]


def test_sample_is_taken_once() -> None:
    source, sample = Script(), now()
    made = follower(source)
    for _ in range(3):
        source.ready = [sample]
        made.take()
    assert len(made.samples) == 1


def test_nothing_is_taken_before_it_has_settled() -> None:
    source = Script(settling=50)
    made = follower(source)
    source.ready = [Sample(clock() - 49, GOOD, 1.0), Sample(clock() - 51, GOOD, 2.0)]
    made.take()
    assert [sample.value for sample in made.samples] == [2.0]


def test_blindness_needs_three_in_a_row() -> None:
    lost = Unreachable("away")
    assert Sampler([fed(lost, lost, lost)], lambda _: None).blind == "p had nothing to go by 3 times in a row"
    assert Sampler([fed(lost, lost, now(), lost, lost)], lambda _: None).blind == ""
    assert Sampler([fed(lost, lost, now(value=0.0), lost)], lambda _: None).blind == ""
    assert Sampler([fed(lost, lost, now(Outcome.REPEATED, None), lost)], lambda _: None).blind == ""
    for outcome in (Outcome.NO_SERIES, Outcome.SEVERAL_SERIES, Outcome.NAN, Outcome.STALE, Outcome.FAILED):
        assert Sampler([fed(*(now(outcome, None) for _ in range(3)))], lambda _: None).blind != "", outcome


def test_history_from_before_it_began_blinds_nobody() -> None:
    past = [Sample(clock() - 50 + second, Outcome.NO_SERIES, None) for second in range(5)]
    assert Sampler([fed(*past)], lambda _: None).blind == ""


def test_source_that_fails_leaves_a_sample_that_says_why() -> None:
    made = fed(Inconclusive("several series"))
    assert outcomes(made) == [Outcome.FAILED]
    assert made.samples[0].detail == "several series"


def test_good_in_a_row_counts_back_to_the_first_that_is_not() -> None:
    begun = clock()
    made = fed(now(), now(value=0.0), now(), now(), now())
    assert made.good_in_a_row(0.0) == 3
    assert made.good_in_a_row(begun + 1000) == 0
    assert made.good_in_a_row(made.samples[-1].at) == 1
    assert fed(now(), now(Outcome.NO_SERIES, None)).good_in_a_row(0.0) == 0
    assert fed().good_in_a_row(0.0) == 0


def test_account_is_a_series_of_the_record() -> None:
    made = fed(now(value=1.5), now(value=0.0), now(Outcome.NAN, None))
    series = Series.model_validate(made.account(clock() - 200))
    assert series.outcomes == (GOOD, BAD, Outcome.NAN)
    assert series.values == (1.5, 0.0, None)
    assert series.start + series.offsets[0] == pytest.approx(made.samples[0].at)
    assert (series.interval, series.resolution, series.hard, series.query) == (0.01, 0.5, True, "q")
    assert Series.model_validate(fed().account(0.0)).offsets == ()


def test_history_without_values_from_before_the_run_is_not_the_runs() -> None:
    early = clock() - 60
    made = fed(
        Sample(early, Outcome.NO_SERIES, None), Sample(early + 1, GOOD, 1.0), Sample(early + 2, Outcome.NAN, None)
    )
    assert made.account(clock())["outcomes"] == [GOOD, Outcome.NAN]
    assert made.account(early - 1)["outcomes"] == [Outcome.NO_SERIES, GOOD, Outcome.NAN]


def polled(*answers: Any) -> Follower:
    """Return a follower of a probe without a history, after each of these answers a second apart."""
    given = iter(answers)

    def ask() -> Any:
        answer = next(given)
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = follower(Polled("p", ask), lambda value: value not in (False, "bad"))
    for _ in answers:
        made._until = clock() - 5
        made.take()
    return made


def test_polled_probe_is_asked_once_an_interval() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return 1

    made = follower(Polled("p", ask))
    made.begin(clock())
    made.take()
    assert asked == []
    made._until = clock() - 1.1
    made.take()
    made.take()
    assert asked == [1]


@pytest.mark.parametrize(
    ("answer", "outcome", "value"),
    [
        (True, GOOD, True),
        (False, BAD, False),
        (3, GOOD, 3),
        ("text", GOOD, "text"),
        (None, GOOD, None),
        (math.nan, Outcome.NAN, None),
        (math.inf, Outcome.NAN, None),
        ({"status": 200, "body": "x" * 1000}, GOOD, None),
        (ChaosctlError("connection refused"), Outcome.FAILED, None),
    ],
)
def test_whatever_a_probe_answers_can_be_recorded(answer: Any, outcome: Outcome, value: Any) -> None:
    made = polled(answer)
    series = Series.model_validate_json(Series.model_validate(made.account(0.0)).model_dump_json())
    assert series.outcomes == (outcome,)
    if isinstance(answer, dict):
        assert str(series.values[0]).startswith("{'status': 200")
        assert len(str(series.values[0])) == 200
    else:
        assert series.values == (value,)


def test_probe_that_fails_is_asked_again() -> None:
    """Its thread must not die with it, for then nobody would notice that nothing is seen."""
    made = polled(True, ChaosctlError("x"), ChaosctlError("x"), True)
    assert outcomes(made) == [GOOD, Outcome.FAILED, Outcome.FAILED, GOOD]
    assert Sampler([polled(*[ChaosctlError("x")] * 3)], lambda _: None).blind


@dataclass
class Ticking(Script):
    """A source with a good sample each time it is asked, until it is told otherwise."""

    value: float = 1.0
    away: bool = False

    def samples(self, start: float, end: float) -> list[Sample]:
        if self.away:
            raise Unreachable("away")
        return [Sample(end, GOOD, self.value)] if end > start else []


def test_sampler_follows_all_until_it_is_stopped() -> None:
    seen: list[str] = []
    sources = [Ticking(), Ticking()]
    made = [
        Follower(name, source, None, lambda value: value >= 1, hard=True)
        for name, source in zip("ab", sources, strict=True)
    ]
    sampler = Sampler(made, lambda follower: seen.append(follower.probe))
    sampler.start(clock())
    assert sampler.wait_good(5, lambda _: 0.0, clock() + 30, threading.Event())
    sampler.stop()
    assert set(seen) == {"a", "b"}
    assert all(source.closed for source in sources)
    count = len(made[0].samples)
    assert not any(thread.is_alive() for thread in sampler._threads)
    assert len(made[0].samples) == count


def test_waiting_ends_with_the_limit_with_blindness_and_when_stopped() -> None:
    one, other = Ticking(), Ticking(value=0.0)
    made = [
        Follower(name, source, None, lambda value: value >= 1, hard=True)
        for name, source in zip("ab", (one, other), strict=True)
    ]
    sampler = Sampler(made, lambda _: None)
    sampler.start(clock())
    assert not sampler.wait_good(2, lambda _: 0.0, clock() + 0.3, threading.Event()), "one probe is bad"
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    assert not sampler.wait_good(2, lambda _: 0.0, clock() + 60, stop)
    other.away = True
    assert not sampler.wait_good(2, lambda _: 0.0, clock() + 60, threading.Event())
    assert sampler.blind.startswith("b had nothing to go by")
    sampler.stop()


def test_samples_from_before_the_moment_do_not_count() -> None:
    source = Ticking()
    made = Follower("a", source, None, lambda value: value >= 1, hard=True)
    sampler = Sampler([made], lambda _: None)
    sampler.start(clock())
    assert sampler.wait_good(3, lambda _: 0.0, clock() + 30, threading.Event())
    since = clock() + 0.3
    assert sampler.wait_good(3, lambda _: since, clock() + 30, threading.Event())
    assert clock() >= since
    sampler.stop()


def test_stopping_what_never_started_is_nothing() -> None:
    Sampler([], lambda _: None).stop()
