"""A run between Chaos Toolkit's own steps."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner import lifecycle, progress
from runner.errors import Aborted, CommandFailed, Inconclusive, InvalidFile, Missing, UsageError
from runner.experiment import Extension
from runner.heeding import Heeding
from runner.model import Outcome, Sample, clock
from runner.plan import read
from runner.run import Run
from runner.sampler import Follower
from runner.targets.netns import Netns
from tests._nft import use
from tests._scratch import Scratch, Scratched, left

Make = Callable[[], Netns]


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a process keeps of its one run, of one test only."""
    monkeypatch.setattr(lifecycle, "injections", [])
    monkeypatch.setattr(lifecycle, "failures", [])
    monkeypatch.setattr(lifecycle, "stopping", threading.Event())
    monkeypatch.setattr(progress, "told", [])
    yield
    lifecycle.stopping.set()


class Steady:
    """A source whose every sample is the value it has now; None: it has none."""

    query, interval, resolution, settling = "q", 0.02, 0.0, 0.0

    def __init__(self, value: float | None = 1.0) -> None:
        self.value = value

    def samples(self, start: float, end: float) -> list[Sample]:
        if end - start < self.interval:
            return []
        return [Sample(end, Outcome.NO_SERIES if self.value is None else Outcome.GOOD, self.value)]

    def close(self) -> None:
        """Nothing is held."""


def run_with(*sources: Steady, baseline: int = 3, objective: float = 1.0) -> Run:
    made = Run("a test", "chaos run")
    made.extension = Extension.model_validate({"name": "chaosctl", "baseline": baseline, "objective": f"{objective}s"})
    made.follow([Follower(f"p{n}", source, 1, lambda value: value == 1, hard=True) for n, source in enumerate(sources)])
    return made


def injected(at: Netns, duration: str = "1h") -> Scratched:
    made = Scratched(at, duration=duration)
    made.injection.stop = lifecycle.stopping
    lifecycle.injections.append(made.injection)
    made.injection.start()
    return made


def test_halt_is_watched_for_once_however_many_see_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run and its faults would else ask a cluster twice as often."""
    monkeypatch.setattr(lifecycle, "heeding", Heeding((), threading.Event(), []))
    before = set(threading.enumerate())

    def watching() -> list[str]:
        return [thread.name for thread in set(threading.enumerate()) - before if thread.name == "guardrail halt"]

    made = Run("a test", "chaos run")
    made.heed_halt()
    assert len(watching()) == 1
    lifecycle.heeding.begin(None)
    assert len(watching()) == 1
    made.close()


def test_baseline_that_holds_lets_the_run_go_on() -> None:
    run = run_with(Steady(), Steady())
    run.wait_for_baseline()
    run.sampler.stop()
    assert [event["what"] for event in progress.told] == ["baseline"]


def test_baseline_that_does_not_hold_names_the_probe_and_what_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.run._BASELINE_PATIENCE", 0.5)
    run = run_with(Steady(), Steady(0.0))
    told = r"The baseline did not hold within .*: p1 was last bad, 0\.0 \(0 of 3 in a row were good\)\. Nothing was"
    with pytest.raises(Inconclusive, match=told):
        run.wait_for_baseline()
    run.sampler.stop()


def test_baseline_without_data_is_told_at_once_and_as_such() -> None:
    begun = clock()
    run = run_with(Steady(None))
    with pytest.raises(Inconclusive, match="p0 was last no-series"):
        run.wait_for_baseline()
    run.sampler.stop()
    assert clock() - begun < 10, "blindness ends the wait"


def test_without_probes_there_is_nothing_to_wait_for() -> None:
    run = run_with()
    run.wait_for_baseline()
    run.watch_recovery()


def test_first_problem_stays() -> None:
    run = Run("x", "chaos run")
    run.fail(Inconclusive("first"))
    run.fail(Aborted("second"))
    assert str(run.problem) == "first"
    assert [event["detail"] for event in progress.told] == ["first"]


def test_fault_too_short_to_be_seen_is_refused() -> None:
    run = run_with(Steady())
    run.sampler.followers[0].source.interval = 15.0
    with pytest.raises(UsageError, match="scratch for 60s is too short to be seen: samples come every 15s") as refused:
        run.refuse_short([read(Scratch, {"where": "local", "duration": "60s"})])
    assert "Let it last 75s or longer" in refused.value.fix
    run.refuse_short([read(Scratch, {"where": "local", "duration": "75s"})])
    run.refuse_short([read(Scratch, {"where": "local"})])
    run.sampler.stop()


def test_faults_are_seen_to_their_end(namespace: Netns) -> None:
    run = Run("x", "chaos run")
    made = injected(namespace, "700ms")
    run.see_faults_end()
    assert made.injection.finished
    assert made.injection.courses[0].ended_how == "deadline"
    assert left(namespace) == []


def test_one_fault_that_cannot_be_undone_keeps_no_other_from_it(
    namespaces: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("x", "chaos run")
    one, other = injected(namespaces()), injected(namespaces())
    lifecycle.stopping.set()
    script = f"""[ "$*" = "-f -" ] || exec $real "$@"
    rules=$(cat)
    case "$rules" in *{one.injection.id}*) echo jammed >&2; exit 1;; esac
    echo "$rules" | $real -f -"""
    with monkeypatch.context() as patch:
        use(patch, tmp_path, script)
        run.heal()
    assert other.injection.finished
    assert len(run.residue) == 1
    assert one.injection.id in run.residue[0]
    assert "jammed" in run.residue[0]
    run.heal()
    assert one.injection.finished


def test_error_at_the_end_of_one_fault_keeps_no_other_from_its_own(namespaces: Make, tmp_path: Path) -> None:
    run = Run("x", "chaos run")
    one, other = injected(namespaces()), injected(namespaces())
    lifecycle.stopping.set()

    def failing() -> None:
        raise Missing("the ledger is full")

    finish, one.injection.finish = one.injection.finish, failing  # type: ignore[method-assign]
    run.heal()
    assert other.injection.finished
    assert str(run.problem) == "the ledger is full"
    finish()


def test_recovery_is_watched_until_steady(namespace: Netns) -> None:
    run = run_with(Steady())
    injected(namespace, "500ms")
    run.see_faults_end()
    run.watch_recovery()
    run.sampler.stop()
    assert progress.told[-1]["what"] == "steady"


def test_recovery_is_watched_for_twice_its_objective_and_no_longer(namespace: Netns) -> None:
    run = run_with(Steady(0.0), objective=0.3)
    injected(namespace, "300ms")
    run.see_faults_end()
    begun = clock()
    run.watch_recovery()
    run.sampler.stop()
    assert progress.told[-1]["what"] == "unsteady"
    assert clock() - begun < 30


def test_reasons_of_actions_are_taken_over() -> None:
    run = Run("x", "chaos run")
    lifecycle.failures.append(CommandFailed("x", ["nft"], 1, "no"))
    run.judge_failures()
    assert isinstance(run.problem, CommandFailed)


@pytest.mark.parametrize("why", ["blind", "stopped"])
def test_watchdog_heals_at_once_and_interrupts(namespace: Netns, why: str) -> None:
    source = Steady()
    run = run_with(source)
    made = injected(namespace)
    interrupted = threading.Event()
    ended = run.watchdog(interrupted.set)
    assert not interrupted.wait(0.6)
    if why == "blind":
        source.value = None
    else:
        lifecycle.stopping.set()
    assert interrupted.wait(60)
    ended.set()
    run.sampler.stop()
    assert made.injection.finished
    assert left(namespace) == []
    assert bool(run.problem) == (why == "blind")


def test_watchdog_that_was_ended_does_nothing(namespace: Netns) -> None:
    run = Run("x", "chaos run")
    made = injected(namespace)
    interrupted = threading.Event()
    run.watchdog(interrupted.set).set()
    lifecycle.stopping.set()
    assert not interrupted.wait(0.6)
    made.injection.finish()


def test_a_file_at_fault_is_kept_with_its_line() -> None:
    run = Run("x", "chaos run")
    run.fail(InvalidFile("experiments/x.yaml:4", "method", "no list.", "Mend it."))
    problem = run.record({"title": "t"}, {}, {}, "")["problem"]
    assert (problem["file"], problem["line"]) == ("experiments/x.yaml", 4)


def test_problems_have_the_kind_of_their_exit_code() -> None:
    """A record knows error, aborted and inconclusive; usage is an error there."""
    found = {}
    for error in (UsageError("a"), Inconclusive("b"), Missing("c"), Aborted("d")):
        run = Run("x", "chaos run")
        run.fail(error)
        record = run.record({"title": "t"}, {}, {}, "")
        found[error.message] = record["problem"]["kind"]
    assert found == {"a": "error", "b": "inconclusive", "c": "error", "d": "aborted"}
