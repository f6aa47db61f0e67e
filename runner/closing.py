"""The end of a run: its record, what it comes to, where it is kept, and what the person reads."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import click

from reports import sink
from reports.record import Record, Start
from reports.text import summary
from runner.errors import ChaosctlError, Inconclusive, UsageError
from runner.model import Verdict
from runner.progress import EVENTS, tell
from runner.redaction import Redactor
from runner.run import Run

__all__ = ["Closing", "bug"]

_STATUS = {Verdict.PASS: "completed", Verdict.FAIL: "completed", Verdict.ABORTED: "interrupted"}


class Closing:
    """Writes a run down: that it began, and once, at the end, what came of it."""

    def __init__(
        self, run: Run, experiment: Mapping[str, Any], configuration: Mapping[str, Any], secrets: Any, path: str
    ) -> None:
        self._run = run
        self._experiment = experiment
        self._configuration = configuration
        self._redactor = Redactor(secrets)
        self._path = path

    def begin(self) -> None:
        """Note that the run began, so that one that is killed is seen as one that never ended."""
        about = self._run.experiment(self._experiment, self._configuration, self._path)
        start = {"run": self._run.id, "experiment": about, "origin": self._run.origin(), "started": self._run.started}
        sink.begin(Start.model_validate(self._redactor.clean_record(start)), self._store())

    def finish(self, journal: dict[str, Any], traffic: Callable[[float, float], Any]) -> int:
        """Heal what is live, judge, store and tell; returns the exit code.

        Nothing may escape: Chaos Toolkit would swallow it, and the run would look as if nobody had watched.
        """
        try:
            return self._finished(journal, traffic)
        except ChaosctlError as error:
            click.echo(f"chaosctl: {error}", err=True)
            return error.exit_code
        except Exception as error:  # noqa: BLE001 - the control's outermost edge
            click.echo(f"chaosctl: {bug(error)}", err=True)
            return ChaosctlError.exit_code

    def _finished(self, journal: dict[str, Any], traffic: Callable[[float, float], Any]) -> int:
        run = self._run
        run.heal()
        run.judge_failures()
        run.sampler.stop()
        for told in _journal_problems(journal):
            run.fail(Inconclusive(told))
        run.residue += _rollback_problems(journal)
        self._read_traffic(traffic)
        data = self._redactor.clean_record(run.record(self._experiment, self._configuration, journal, self._path))
        delivery = sink.finish(Record.model_validate(data), self._store())
        record = delivery.record
        assert record and record.judgement  # noqa: S101, PT018 - finish() judges what it keeps
        verdict = record.judgement.verdict
        journal["deviated"] = verdict is Verdict.FAIL
        journal["status"] = _STATUS.get(verdict, "failed")
        code = UsageError.exit_code if isinstance(run.problem, UsageError) else record.judgement.exit_code
        if EVENTS in os.environ:
            tell("end", record=record.canonical().decode(), exit_code=code, kept=str(delivery))
        else:
            click.echo("\n" + summary(record, str(delivery), colour=sys.stdout.isatty()))
        return code

    def _read_traffic(self, traffic: Callable[[float, float], Any]) -> None:
        """Read what the service counted meanwhile; without a proven fault there is nothing to set it against."""
        if self._run.problem or not self._run.effective():
            return
        try:
            self._run.traffic = traffic(self._run.started, self._run.sampled_until())
        except ChaosctlError as error:
            self._run.fail(Inconclusive(f"The service's events could not be read: {error.message}", error.fix))

    def _store(self) -> str:
        chosen = self._run.chosen
        return chosen.store_url() if chosen else ""


def bug(error: Exception) -> ChaosctlError:
    """Return an error that nobody foresaw, as one a person can act on."""
    if os.environ.get("CHAOSCTL_DEBUG"):
        traceback.print_exception(error)
    return ChaosctlError(
        f"A bug of ours stopped this run: {type(error).__name__}: {error}.",
        "CHAOSCTL_DEBUG=1 shows where. `chaosctl faults` shows whether anything is live.",
    )


def _journal_problems(journal: Mapping[str, Any]) -> list[str]:
    """Return what Chaos Toolkit's own status and exit code pass over in silence."""
    found = []
    before = journal["steady_states"]["before"]
    if before and before["steady_state_met"] is False:
        probe = before["probes"][-1]
        found.append(f"Before the fault, {probe['activity']['name']!r} did not hold: it gave {_shown(probe)}.")
    found += [
        f"{step['activity']['name']!r} did not succeed: {_shown(step)}."
        for step in journal["run"]
        if step.get("status") != "succeeded"
    ]
    if journal["status"] == "aborted":
        found.append("Chaos Toolkit aborted the method: chaostoolkit.log says why.")
    return found


def _rollback_problems(journal: Mapping[str, Any]) -> list[str]:
    declared = [activity.get("name") or activity["ref"] for activity in journal["experiment"].get("rollbacks") or []]
    played = {step["activity"]["name"]: step.get("status") for step in journal["rollbacks"]}
    if not journal["run"]:
        return []
    return [
        f"The rollback {name!r} {'failed' if name in played else 'was not played'}: "
        f"do by hand what it says in the experiment."
        for name in declared
        if played.get(name) != "succeeded"
    ]


def _shown(step: Mapping[str, Any]) -> str:
    if errors := step.get("exception"):
        return str(errors[-1]).strip()
    return f"{step.get('output')!r}" if "status" in step else "no answer, it was interrupted"
