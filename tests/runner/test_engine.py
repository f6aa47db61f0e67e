"""One run in a process of its own."""

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.engine import Engine
from runner.errors import InvalidFile
from runner.targets.netns import Netns
from tests._experiments import ROOT, experiment, python, scratch
from tests._scratch import left


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the run's process find the tests' own fault."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def file(directory: Path, what: dict[str, Any]) -> Path:
    made = directory / "own name.yaml"
    made.write_text(yaml.safe_dump(what, sort_keys=False))
    return made


def words(events: list[dict[str, Any]]) -> list[str]:
    return [event["what"] for event in events if event["what"] != "sample"]


def test_events_tell_a_run_from_baseline_to_exit(namespace: Netns, tmp_path: Path) -> None:
    """Also one whose experiment does not attach the control: it is attached, and the file still is the user's own."""
    what = experiment(scratch(namespace, "1s"))
    del what["controls"]
    path = file(tmp_path, what)
    events = list(Engine(path, journal=tmp_path / "journal.json").events())
    assert words(events) == ["baseline", "before", "armed", "effective", "healed", "steady", "end", "exit"]
    assert [event["at"] for event in events[:-1]] == sorted(event["at"] for event in events[:-1])
    record = json.loads(events[-2]["record"])
    assert (record["experiment"]["path"], record["origin"]["how"]) == (str(path), "chaosctl run")
    assert events[-1]["code"] == events[-2]["exit_code"] == 3
    assert "controls" not in yaml.safe_load(path.read_text())
    assert json.loads((tmp_path / "journal.json").read_text())["status"] == "failed"


def test_invalid_experiment_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    with pytest.raises(InvalidFile, match="rolbacks"):
        list(Engine(file(tmp_path, experiment(rolbacks=[]))).events())
    with pytest.raises(InvalidFile, match="cannot be read"):
        list(Engine(tmp_path / "nowhere.yaml").events())


def test_variables_and_environment_reach_the_run(tmp_path: Path) -> None:
    (tmp_path / "chaosctl.yaml").write_text("environments: {other: {kind: lab}}")
    probe = python("probe", "p", "tests._probes:always", {"value": "${answer}"}, tolerance="yes")
    what = experiment(probes=(probe,), configuration={"answer": "no"})
    events = list(Engine(file(tmp_path, what), ["answer=yes"], "other").events())
    record = json.loads(events[-2]["record"])
    assert (record["judgement"]["verdict"], record["origin"]["environment"]) == ("pass", "other")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_run_not_its_teller(namespace: Netns, tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    events = []
    for event in Engine(file(tmp_path, experiment(scratch(namespace, pause=600)))).events():
        events.append(event)
        if event["what"] == "effective":
            os.kill(os.getpid(), number)
    assert left(namespace) == []
    assert events[-2]["what"] == "end"
    assert json.loads(events[-2]["record"])["judgement"]["verdict"] == "aborted"
    assert events[-1]["code"] == 5
    assert signal.getsignal(number) == before


def test_run_that_nobody_follows_any_more_is_ended(namespace: Netns, tmp_path: Path) -> None:
    events = Engine(file(tmp_path, experiment(scratch(namespace, pause=600)))).events()
    next(event for event in events if event["what"] == "effective")
    assert len(left(namespace)) == 1
    closing = threading.Thread(target=events.close)  # type: ignore[attr-defined]
    closing.run()
    assert left(namespace) == []


def test_run_that_chaos_toolkit_refuses_exits_with_its_words(tmp_path: Path) -> None:
    what = experiment(python("action", "a", "tests._probes:nowhere", {}))
    [event] = list(Engine(file(tmp_path, what)).events())
    assert (event["what"], event["code"]) == ("exit", 1)
    assert "does not expose a function called 'nowhere'" in event["log"]
