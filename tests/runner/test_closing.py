"""The end of a run: what Chaos Toolkit's journal tells that its status does not, and that nothing escapes."""

from pathlib import Path
from typing import Any

import pytest

from reports import sink
from runner import lifecycle
from runner.closing import Closing, bug
from runner.errors import Inconclusive, Unreachable
from runner.run import Run


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process keeps of its one run, of one test only."""
    monkeypatch.setattr(lifecycle, "injections", [])
    monkeypatch.setattr(lifecycle, "failures", [])


def step(name: str, status: str | None = "succeeded", **more: Any) -> dict[str, Any]:
    found = {"activity": {"name": name, "type": "action"}, **more}
    return found if status is None else {**found, "status": status}


def journal(**more: Any) -> dict[str, Any]:
    return {
        "status": "completed",
        "deviated": False,
        "experiment": {"title": "t", "method": [], "rollbacks": []},
        "steady_states": {"before": None, "after": None, "during": []},
        "run": [],
        "rollbacks": [],
        **more,
    }


def closed(told: dict[str, Any], run: Run | None = None) -> tuple[int, str, Run]:
    """Close a run with that journal; returns exit code, the deciding reason and the run."""
    run = run or Run("x", "chaos run")
    code = Closing(run, {"title": "t"}, {}, {}, "x.yaml").finish(told, lambda _start, _end: None)
    return code, str(run.problem or ""), run


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            journal(
                steady_states={
                    "before": {"steady_state_met": False, "probes": [step("it answers", output=503)]},
                    "after": None,
                    "during": [],
                }
            ),
            "Before the fault, 'it answers' did not hold: it gave 503.",
        ),
        (
            journal(run=[step("break it", "failed", exception=["Trace\n", "ValueError: no\n"])]),
            "'break it' did not succeed: ValueError: no.",
        ),
        (journal(run=[step("break it", None)]), "'break it' did not succeed: no answer, it was interrupted."),
        (journal(status="aborted", run=[step("one")]), "Chaos Toolkit aborted the method"),
    ],
)
def test_what_chaos_toolkit_calls_completed_is_looked_at(told: dict[str, Any], reason: str) -> None:
    code, problem, _ = closed(told)
    assert code == 3
    assert reason in problem
    assert (told["status"], told["deviated"]) == ("failed", False)


@pytest.mark.parametrize(
    ("played", "residue"),
    [
        ([step("put it back")], []),
        ([], ["The rollback 'put it back' was not played"]),
        ([step("put it back", "failed")], ["The rollback 'put it back' failed"]),
        ([step("put it back", None)], ["The rollback 'put it back' failed"]),
    ],
)
def test_rollbacks_are_told_that_were_not_played(played: list[Any], residue: list[str]) -> None:
    declared = {"title": "t", "method": [{}], "rollbacks": [{"name": "put it back"}]}
    code, _, run = closed(journal(experiment=declared, run=[step("one")], rollbacks=played))
    assert [told.split(":")[0] for told in run.residue] == residue
    assert (code == 6) == bool(residue)


def test_rollbacks_of_a_method_that_never_began_are_not_missed() -> None:
    declared = {"title": "t", "method": [{}], "rollbacks": [{"name": "put it back"}]}
    assert closed(journal(experiment=declared))[2].residue == []


def test_rollback_by_reference_is_told_by_it() -> None:
    declared = {"title": "t", "method": [{}], "rollbacks": [{"ref": "put it back"}]}
    assert "'put it back' was not played" in closed(journal(experiment=declared, run=[step("one")]))[2].residue[0]


def test_first_problem_is_the_reason() -> None:
    run = Run("x", "chaos run")
    run.fail(Inconclusive("the fault was not proven"))
    assert closed(journal(run=[step("break it", "failed")]), run)[1] == "the fault was not proven"


def test_store_that_is_away_costs_nothing(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "store.db").mkdir(parents=True)
    code, _, _ = closed(journal())
    assert code == 3
    assert "Kept in" in capsys.readouterr().out
    assert list((state / "spool").rglob("*.record.json"))


def test_nowhere_to_keep_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    code, _, _ = closed(journal())
    assert code == Unreachable.exit_code
    assert capsys.readouterr().err.startswith("chaosctl: Nothing could be kept of this run.")


def test_bug_of_ours_is_an_exit_code_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Chaos Toolkit would swallow it, and the run would look as if nobody had watched."""

    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(sink, "finish", broken)
    assert closed(journal())[0] == 4
    told = capsys.readouterr().err
    assert "A bug of ours stopped this run: KeyError: 'x'." in told
    assert "`chaosctl faults` shows whether anything is live" in told
    assert "Traceback" not in told


def test_bug_shows_where_it_is_only_if_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bug(KeyError("x"))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("CHAOSCTL_DEBUG", "1")
    bug(KeyError("x"))
    assert "KeyError" in capsys.readouterr().err


def test_summary_is_for_people_without_a_view(capsys: pytest.CaptureFixture[str]) -> None:
    closed(journal())
    assert "inconclusive" in capsys.readouterr().out.lower()
