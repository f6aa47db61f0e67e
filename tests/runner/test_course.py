"""One fault at one target: what is seen, when it is believed, and what is not."""

import threading
from pathlib import Path

import pytest

from reports.record import FaultRecord
from runner.course import Course
from runner.errors import Inconclusive
from runner.model import Command, ProbeCall, Sight, clock
from runner.targets.netns import Netns
from tests._nft import use
from tests._scratch import Scratched


def begun(at: Netns, duration: str = "60s") -> tuple[Scratched, Course]:
    """Return a fault that is proven, and its course at the one target."""
    made = Scratched(at, duration=duration)
    made.injection.start()
    [course] = made.injection.courses
    return made, course


def ended(made: Scratched) -> None:
    made.injection.stop.set()
    made.injection.finish()


def test_moments_come_in_their_order(namespace: Netns) -> None:
    made, course = begun(namespace, "1s")
    made.injection.wait()
    made.injection.finish()
    account = course.account()
    order = ["committed", "effective", "deadline", "ended", "healed"]
    assert [account[key] for key in order[:3]] == sorted(account[key] for key in order[:3])
    assert account["ended"] <= account["healed"]
    assert account["ended"] >= account["committed"] + 0.9
    assert account["ended_how"] == "deadline"
    assert [look["phase"] for look in account["looks"]] == ["before", "during", "after"]
    assert account["error"] == ""


def test_what_was_not_seen_is_not_known(namespace: Netns) -> None:
    made = Scratched(namespace, unseen_at=namespace.name, duration="1s")
    with pytest.raises(Exception, match="did not show"):
        made.injection.start()
    [course] = made.injection.courses
    assert (course.effective, course.healed) == (None, course.after and course.after.answered)
    assert course.account()["ended_how"] == "undone"


def test_before_anything_happened_there_is_no_deadline(namespace: Netns) -> None:
    made = Scratched(namespace)
    course = Course(made.injection.plan.fault, namespace, made.injection.id, 60)
    assert (course.deadline, course.effective, course.healed) == (None, None, None)
    course.watch()
    course.see_undone()
    assert (course.ended, course.ended_how) == (None, "unknown")


def test_fault_that_somebody_removes_ended_early_and_counts_for_nothing(namespace: Netns) -> None:
    made, course = begun(namespace)
    course.watch()
    assert course.ended is None
    namespace.run(Command(("nft", "flush", "ruleset")))
    course.watch()
    assert course.ended_how == "early"
    assert course.ended == pytest.approx(clock(), abs=10)
    ended(made)
    record = FaultRecord.model_validate(made.injection.account())
    assert "before its deadline: somebody else removed it" in record.targets[0].error


def test_slow_look_at_the_deadline_is_not_early(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look begins before the deadline and sees what is there after it."""
    use(monkeypatch, tmp_path, 'case "$*" in "list set"*) sleep 0.5;; esac; exec $real "$@"')
    made, course = begun(namespace, "1200ms")
    made.injection.wait()
    assert course.ended_how != "early"
    made.injection.finish()
    assert course.ended_how == "deadline"


def test_slow_commit_makes_no_early_end(namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel counts from the commit; we only know when the command had ended."""
    use(monkeypatch, tmp_path, 'case "$*" in "-f -") $real "$@"; sleep 0.8; exit;; esac; exec $real "$@"')
    made, course = begun(namespace, "4s")
    assert course.committed
    made.injection.wait()
    assert course.ended_how != "early"
    made.injection.finish()
    assert course.ended_how == "deadline"


def test_look_that_fails_while_waiting_ends_nothing(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nft may be busy for a moment; the fault is in the kernel and goes on."""
    made, course = begun(namespace, "2500ms")
    with monkeypatch.context() as patch:
        use(patch, tmp_path, "echo 'Error: Device or resource busy' >&2; exit 1")
        course.watch()
        assert course.ended is None
    made.injection.wait()
    made.injection.finish()
    assert (course.ended_how, course.errors) == ("deadline", [])


def test_end_that_is_not_seen_is_an_error_of_that_target(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, course = begun(namespace, "1s")
    with monkeypatch.context() as patch:
        use(patch, tmp_path, 'case "$*" in "list set"*) echo "elements = { 9 }"; exit;; esac; exec $real "$@"')
        course.see_end()
    assert course.ended is None
    assert "not seen to end within 2 s of its deadline" in course.account()["error"]
    ended(made)


def test_looking_during_ends_with_the_deadline(namespace: Netns) -> None:
    """A fault that has ended can no longer be proven."""
    made = Scratched(namespace, unseen_at=namespace.name, duration="300ms")
    begun_at = clock()
    with pytest.raises(Exception, match="did not show"):
        made.injection.start()
    [course] = made.injection.courses
    assert course.during
    assert course.during.sight is Sight.ABSENT
    assert course.deadline
    assert begun_at < course.deadline


def test_looking_during_ends_when_stopped(namespace: Netns) -> None:
    made, course = begun(namespace)
    stop = threading.Event()
    stop.set()
    course._proof = ProbeCall("tests._scratch:look", {"unseen": True, "odd": False})
    course.look_during(stop)
    assert course.during
    assert course.during.sight is Sight.ABSENT
    ended(made)


def test_look_that_cannot_be_had_is_unclear_and_says_why(namespace: Netns) -> None:
    made = Scratched(namespace, odd_at=namespace.name)
    course = Course(made.injection.plan.fault, namespace, made.injection.id, 60)
    with pytest.raises(Inconclusive, match="does not look as it should"):
        course.look_before()
    assert course.before
    assert course.before.sight is Sight.UNCLEAR
    assert course.before.detail == f"{namespace.name} cannot be looked at."


@pytest.mark.parametrize(("seen", "held"), [(8.0, 10.0), (20.0, 12.0)])
def test_what_it_came_to_is_told_of_the_time_until_its_deadline(
    namespace: Netns, monkeypatch: pytest.MonkeyPatch, seen: float, held: float
) -> None:
    """Its end may be seen long after: what happened in between is none of the fault's."""
    made = Scratched(namespace)
    course = Course(made.injection.plan.fault, namespace, made.injection.id, 10)
    course.committed, course.ended = 2.0, 2.0 + seen
    told: list[tuple[float, float]] = []
    monkeypatch.setattr(course._acting, "achieved", lambda since, until: told.append((since, until)))
    course.conclude()
    assert told == [(2.0, held)]
