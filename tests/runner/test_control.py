"""The control under plain `chaos run`: what Chaos Toolkit swallows, skips or calls a success must not get past it."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from runner.targets.netns import Netns
from tests._experiments import CONTROL, Ended, calm, chaos, chaos_run, experiment, python, scratch, touching
from tests._scratch import left

Make = Callable[[], Netns]


def verdict(ended: Ended) -> tuple[int, str]:
    """Return exit code and verdict of a run that left a record."""
    assert ended.record, ended.printed
    return ended.code, ended.record["judgement"]["verdict"]


def reason(ended: Ended) -> str:
    assert ended.record, ended.printed
    return str(ended.record["judgement"]["reasons"][0])


def test_signals_heal_at_once_and_leave_journal_and_record(namespaces: Make, tmp_path: Path) -> None:
    """In the midst of a pause of ten minutes; Chaos Toolkit alone would go on, or leave nothing behind."""
    numbers = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT]
    with ExitStack() as stack:
        started = []
        for number in numbers:
            at = namespaces()
            what = experiment(scratch(at, pause=600))
            started.append((number, at, stack.enter_context(chaos_run(tmp_path / number.name, what))))
        for number, at, run in started:
            run.live()
            assert len(left(at)) == 1
            ended = run.ended(number)
            assert left(at) == []
            assert verdict(ended) == (5, "aborted"), f"{number.name}: {ended.printed}"
            assert reason(ended).startswith(f"Stopped by {number.name}.")
            assert ended.journal
            assert ended.journal["status"] == "interrupted"
            assert "Traceback" not in ended.printed


def test_signal_in_the_midst_of_an_activity_does_not_wait_out_its_pause(namespace: Netns, tmp_path: Path) -> None:
    """Chaos Toolkit pauses after an activity even where a signal ended it; what that puts right is not broken into."""
    busy = tmp_path / "busy"
    long = python("action", "take long", "tests._probes:takes_long", {"path": str(busy)}, pauses={"after": 600})
    with chaos_run(tmp_path / "run", experiment(scratch(namespace), long)) as run:
        run.until(busy.exists)
        ended = run.ended(signal.SIGTERM)
    assert left(namespace) == []
    assert verdict(ended) == (5, "aborted"), ended.printed
    assert ended.journal
    assert [step.get("status") for step in ended.journal["run"]] == ["succeeded", None]
    assert Path(f"{busy} is put right").exists()


def test_fault_that_is_not_proven_is_inconclusive_and_ends_the_method(namespace: Netns, tmp_path: Path) -> None:
    after = tmp_path / "after"
    what = experiment(scratch(namespace, "300ms", unseen_at=namespace.name), touching(after))
    ended = chaos(tmp_path / "run", what)
    assert verdict(ended) == (3, "inconclusive")
    assert "did not show" in reason(ended)
    assert not after.exists()
    assert left(namespace) == []


def test_hypothesis_that_is_not_met_before_injects_nothing(namespace: Netns, tmp_path: Path) -> None:
    """Chaos Toolkit calls this completed, with exit code 0."""
    ended = chaos(tmp_path / "run", experiment(scratch(namespace), probes=(calm(False),)))
    assert verdict(ended) == (3, "inconclusive")
    assert "Before the fault, 'it is calm' did not hold: it gave False." in reason(ended)
    assert ended.record
    assert ended.record["faults"] == []
    assert not (tmp_path / "run" / "state" / "chaosctl" / "ledger").exists()


def test_slo_file_without_counters_is_told_in_the_timeline(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "slo.yaml").write_text("slos: [{name: latency, objective: 99, sli: {raw: {error_ratio_query: x}}}]")
    told = [{"name": "chaosctl", "baseline": 1, "slo": {"file": "slo.yaml"}}]
    ended = chaos(place, experiment(probes=(calm(False),), extensions=told))
    assert ended.record
    (event,) = [each for each in ended.record["timeline"] if each["what"] == "slo"]
    assert "found in slo.yaml for the SLO 'latency', only a target of 99%: time stands in" in event["detail"]


def test_hypothesis_that_crashes_chaos_toolkit_leaves_a_record_that_says_so(namespace: Netns, tmp_path: Path) -> None:
    """A range of two numbers held against nothing raises in its midst, and it plays nothing after that."""
    ended = chaos(tmp_path / "run", experiment(scratch(namespace), probes=(calm(None, [1, 2]),)))
    assert verdict(ended) == (3, "inconclusive")
    assert "Chaos Toolkit crashed: TypeError" in reason(ended)
    assert not (tmp_path / "run" / "state" / "chaosctl" / "ledger").exists()


def test_hypothesis_that_crashes_it_after_the_method_finds_the_fault_gone(namespace: Netns, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    probe = python("probe", "it answers", "tests._probes:while_absent", {"path": str(flag)}, tolerance=[0, 2])
    what = experiment(scratch(namespace, "1s"), touching(flag), probes=(probe,))
    ended = chaos(tmp_path / "run", what)
    assert ended.code == 3, ended.printed
    assert left(namespace) == []
    assert ended.record
    assert "Chaos Toolkit crashed" in str(ended.record["problem"])
    assert ended.record["faults"][0]["targets"][0]["ended_how"] == "deadline"


def test_rollbacks_that_are_not_played_are_residue(namespace: Netns, tmp_path: Path) -> None:
    """Chaos Toolkit's default leaves them out when a run was interrupted."""
    rolled = tmp_path / "rolled"
    what = experiment(scratch(namespace, pause=600), rollbacks=[touching(rolled, "put it back")])
    with chaos_run(tmp_path / "run", what) as run:
        run.live()
        ended = run.ended(signal.SIGTERM)
    assert ended.code == 6, ended.printed
    assert "The rollback 'put it back' was not played" in reason(ended)
    assert not rolled.exists()


def test_rollbacks_are_played_after_a_signal_where_that_is_asked_for(namespace: Netns, tmp_path: Path) -> None:
    rolled = tmp_path / "rolled"
    what = experiment(scratch(namespace, pause=600), rollbacks=[touching(rolled, "put it back")])
    with chaos_run(tmp_path / "run", what, "--rollback-strategy=always") as run:
        run.live()
        ended = run.ended(signal.SIGTERM)
    assert rolled.exists()
    assert verdict(ended) == (5, "aborted"), ended.printed


def test_rollback_that_fails_is_residue(namespace: Netns, tmp_path: Path) -> None:
    rollback = python("action", "put it back", "tests._probes:fails_once_there", {"path": "/"})
    ended = chaos(tmp_path / "run", experiment(touching(tmp_path / "done"), rollbacks=[rollback]))
    assert ended.code == 6, ended.printed
    assert "The rollback 'put it back' failed" in reason(ended)


def test_run_that_goes_blind_heals_at_once_and_does_not_wait_out_its_pauses(namespace: Netns, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    probe = python("probe", "it answers", "tests._probes:fails_once_there", {"path": str(flag)}, tolerance=True)
    with chaos_run(tmp_path / "run", experiment(scratch(namespace, pause=600), probes=(probe,))) as run:
        run.live()
        flag.touch()
        ended = run.ended()
    assert verdict(ended) == (3, "inconclusive")
    assert "it answers had nothing to go by 3 times in a row" in reason(ended)
    assert left(namespace) == []
    assert ended.record
    assert ended.record["faults"][0]["targets"][0]["ended_how"] == "undone"


def test_environment_that_must_not_be_touched_is_not(namespace: Netns, tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    (place / "chaosctl.yaml").write_text("default: live\nenvironments: {live: {kind: production}}\n")
    ended = chaos(place, experiment(scratch(namespace)))
    assert ended.code == 5, ended.printed
    assert "'live' is production" in reason(ended)
    assert ended.record
    assert ended.record["origin"]["environment"] == "live"
    assert ended.record["journal"]["run"] == [], "not even the method began"
    assert not (place / "state" / "chaosctl" / "ledger").exists()


def test_key_that_chaos_toolkit_would_ignore_stops_the_run(namespace: Netns, tmp_path: Path) -> None:
    ended = chaos(tmp_path / "run", experiment(scratch(namespace), rolbacks=[]))
    assert ended.code == 2, ended.printed
    assert "Did you mean 'rollbacks'?" in ended.printed
    assert not (tmp_path / "run" / "state" / "chaosctl" / "ledger").exists()


def test_bug_of_ours_stops_the_run_before_the_fault(namespace: Netns, tmp_path: Path) -> None:
    """Chaos Toolkit would log it for nobody to read, and inject with nobody watching."""
    broken = {**CONTROL, "provider": {"type": "python", "module": "tests._broken_control"}}
    ended = chaos(tmp_path / "run", experiment(scratch(namespace), controls=[broken]))
    assert verdict(ended) == (4, "error")
    assert "KeyError: 'nobody thought of this'" in reason(ended)
    assert not (tmp_path / "run" / "state" / "chaosctl" / "ledger").exists()


def test_dry_run_injects_nothing_and_concludes_nothing(namespace: Netns, tmp_path: Path) -> None:
    ended = chaos(tmp_path / "run", experiment(scratch(namespace)), "--dry", "activities")
    assert verdict(ended) == (3, "inconclusive")
    assert not (tmp_path / "run" / "state" / "chaosctl" / "ledger").exists()


def test_secrets_are_in_no_part_of_the_record(namespace: Netns, tmp_path: Path) -> None:
    """Configuration that copies them, arguments, what probes give back, and the title."""
    probe = python("probe", "it is ${token}", "tests._probes:always", {"value": "${token}"}, tolerance="${token}")
    what = experiment(
        scratch(namespace, "300ms", unseen_at=namespace.name, odd_at="${token}"),
        probes=(probe,),
        title="with ${token}",
        secrets={"s": {"token": {"type": "env", "key": "THE_TOKEN"}}},
        configuration={"copy": {"type": "env", "key": "THE_TOKEN"}},
    )
    ended = chaos(tmp_path / "run", what, THE_TOKEN="hunter2-hunter2")  # noqa: S106 - a test's own
    assert ended.record, ended.printed
    assert ended.record["faults"][0]["parameters"]["odd_at"] == "***"
    state = tmp_path / "run" / "state"
    stored = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file() and "ledger" not in path.parts)
    assert b"hunter2" not in stored


def test_run_that_is_killed_is_seen_as_one_that_never_ended(namespace: Netns, tmp_path: Path) -> None:
    with chaos_run(tmp_path / "run", experiment(scratch(namespace, pause=600))) as run:
        run.live()
        run.process.kill()
        assert run.ended().code == -signal.SIGKILL
        listed = run.chaosctl("report", "list")
        assert "never ended" in listed.stdout + listed.stderr
        [fault] = left(namespace)
        assert run.chaosctl("recover", fault).returncode == 0


def test_hypothesis_that_is_held_continuously_sees_the_same_run(namespace: Netns, tmp_path: Path) -> None:
    ended = chaos(tmp_path / "run", experiment(scratch(namespace, "1s")), "--hypothesis-strategy=continuously")
    assert ended.record, ended.printed
    steps: list[Any] = [event["what"] for event in ended.record["timeline"]]
    assert steps[:5] == ["baseline", "before", "armed", "effective", "healed"]
    assert left(namespace) == []
