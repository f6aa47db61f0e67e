"""Faults that act all the while, and watchers that look all the while: from the commit on, and never past the end."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import pytest

from runner.errors import ChaosctlError, Inconclusive, Refused, UsageError
from runner.fault import Stage
from runner.lifecycle import Injection
from runner.model import Look, ProbeCall, Sight, clock
from runner.plan import plan
from runner.targets import Target
from runner.targets.netns import Netns
from tests._scratch import Scratch, left
from tests._table import listed


class Seen:
    """A watcher of the tests' own, which notes what became of it."""

    made: ClassVar[list["Seen"]] = []

    def __init__(self, at: Target, keeps: bool) -> None:
        self.at, self.keeps, self.steps = at, keeps, list[str]()
        self.made.append(self)

    def open(self) -> None:
        self.steps.append("open")

    def close(self) -> None:
        self.steps.append("close")

    def look(self, _before: Look | None) -> Look:
        present = "elements = {" in listed(self.at)
        return Look(clock(), clock(), Sight.PRESENT if present else Sight.ABSENT, "seen")

    def measured(self, since: float, until: float) -> Sequence[float]:
        return [until - since]

    def achieved(self, since: float, until: float) -> Look:
        sight = Sight.PRESENT if self.keeps else Sight.UNCLEAR
        return Look(since, until, sight, f"{until - since:.1f} s")


@dataclass(frozen=True)
class Acting(Scratch):
    """A fault that notes all the while that it acts."""

    keeps: Annotated[bool, "whether it comes to what it promised"] = True
    breaks: Annotated[bool, "whether it breaks down"] = False
    forbidden: Annotated[bool, "whether it must not come"] = False
    stages: ClassVar[list[Stage]] = []
    ends: ClassVar[list[float]] = []

    def proof(self, _at: Target) -> ProbeCall:
        return ProbeCall(f"{__name__}:Seen", {"keeps": self.keeps}, stays=True)

    def home(self, environment: object) -> str:
        return "" if environment is None else "nobody"

    def refuse(self, seconds: float) -> None:
        if seconds < 0.5:
            raise UsageError("too short for it")

    def heed(self, before: Look) -> None:
        if self.forbidden:
            raise Refused(f"not where it is {before.detail}")

    def act(self, stage: Stage) -> None:
        self.stages.append(stage)
        if self.breaks:
            raise ChaosctlError("it cannot go on")
        stage.over.wait()
        self.ends.append(clock())


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    for kept in (Seen.made, Acting.stages, Acting.ends):
        kept.clear()
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.endswith(" acts")] == []
    assert all(watcher.steps == ["open", "close"] for watcher in Seen.made)


def acting(at: Netns, fault: Acting, seconds: float) -> Injection:
    made = plan(Scratch, {"where": at.name, "duration": f"{round(seconds * 1000)}ms"})
    return Injection(replace(made, fault=fault), threading.Event(), lambda *_: None)


def test_it_acts_from_the_commit_to_the_deadline(namespace: Netns) -> None:
    made = acting(namespace, Acting(), 1.0)
    made.start()
    [stage] = Acting.stages
    [course] = made.courses
    assert (stage.at.name, stage.fault_id, stage.watcher) == (namespace.name, made.id, Seen.made[0])
    assert (stage.committed, stage.deadline) == (course.committed, course.deadline)
    made.wait()
    made.finish()
    assert Acting.ends[0] >= stage.deadline
    looks = [(look["phase"], look["sight"]) for look in course.account()["looks"]]
    assert looks == [("before", "absent"), ("during", "present"), ("during", "present"), ("after", "absent")]
    assert course.account()["error"] == ""
    assert left(namespace) == []


def test_it_stops_acting_before_it_is_undone(namespace: Netns) -> None:
    made = acting(namespace, Acting(), 3600)
    made.start()
    made.stop.set()
    made.finish()
    [course] = made.courses
    assert course.ended
    assert Acting.ends[0] <= course.ended
    assert course.achieved is None, "what was cut short promised nothing"


def test_what_it_did_not_come_to_is_not_proven(namespace: Netns) -> None:
    made = acting(namespace, Acting(keeps=False), 0.6)
    made.start()
    made.wait()
    made.finish()
    assert "did not come to what was asked for: 0." in made.courses[0].account()["error"]


def test_that_it_could_not_go_on_is_told(namespace: Netns) -> None:
    made = acting(namespace, Acting(breaks=True), 0.6)
    made.start()
    made.wait()
    made.finish()
    assert made.courses[0].account()["error"] == "it cannot go on"


def test_what_was_seen_before_may_forbid_it(namespace: Netns) -> None:
    with pytest.raises(Refused, match="not where it is seen"):
        acting(namespace, Acting(forbidden=True), 60).start()
    assert left(namespace) == []
    assert Acting.stages == []


def test_a_duration_it_cannot_be_had_in_is_refused() -> None:
    with pytest.raises(UsageError, match="too short for it"):
        plan(Acting, {"where": "local", "duration": "100ms"})


def test_an_odd_look_before_leaves_no_watcher(namespace: Netns) -> None:
    at = acting(namespace, Acting(), 60)
    at.start()
    again = acting(namespace, Acting(), 60)
    with pytest.raises(Inconclusive, match="does not look as it should"):
        again.start()
    at.stop.set()
    at.finish()
