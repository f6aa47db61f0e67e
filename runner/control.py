"""The Chaos Toolkit control: turns any run of `chaos run` or `chaosctl run` into a record with a verdict.

Chaos Toolkit swallows what a control raises, so nothing here counts on being heard: what stops a run is an
InterruptExecution before the next step, and what must happen at the end is in the event handler, which runs even where
the run crashes.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from chaoslib import substitute
from chaoslib.exceptions import InterruptExecution
from chaoslib.run import EventHandlerRegistry, RunEventHandler

from runner import lifecycle
from runner.closing import Closing, bug
from runner.errors import Aborted, ChaosctlError, Inconclusive
from runner.experiment import check, extension, queries, requests
from runner.filling import fill_in
from runner.following import followers, traffic
from runner.interruption import Interruption
from runner.plan import Request
from runner.progress import EVENTS, SOURCE, tell
from runner.run import Run

__all__ = [
    "after_activity_control",
    "after_method_control",
    "before_activity_control",
    "before_experiment_control",
    "before_method_control",
    "before_rollback_control",
    "configure_control",
]


class _Session(RunEventHandler):
    """The one run of this process: chaoslib keeps global state, so there is never a second."""

    def __init__(self, experiment: Any, configuration: dict[str, Any], secrets: Any) -> None:
        self.experiment = experiment
        self.configuration = configuration
        self.secrets = secrets
        self.path = _path()
        how = "chaosctl run" if EVENTS in os.environ else "chaos run"
        self.run = Run(self.path.stem or experiment["title"], how)
        self.closing = Closing(self.run, experiment, configuration, secrets, str(self.path))
        self._requests: list[Request] = []
        self._queries: list[str] = []
        self._interruption = Interruption(self._stopped)
        self._rolling_back = False
        self._watching: threading.Event | None = None

    def open(self) -> None:
        """Choose the environment and note that the run began; what says no is kept for `begin`."""
        self._interruption.install()
        with self._caught():
            if self.path.is_file():
                check(self.path)
            self.run.choose()
            fill_in(self.experiment, self.configuration, self.run.chosen)
            filled = substitute(self.experiment, self.configuration, self.secrets)
            self.run.extension = extension(filled, self.path.parent)
            for note in self.run.extension.notes():
                tell("slo", note)
            self._requests = requests(filled)
            self._queries = queries(filled)
        with self._caught():
            self.closing.begin()

    def begin(self) -> None:
        """Start to sample, or stop the run before anything was touched."""
        self.go_on()
        with self.kept():
            self.run.heed_halt()
            self.run.admit(self._requests)
            self.run.guard(self._queries)
            self.run.follow(followers(self.experiment, self.configuration, self.secrets, self.run.extension))
            self.run.refuse_short(self._requests)

    def roll_back(self) -> None:
        """Let rollbacks be played from here on, whatever came before."""
        self._rolling_back = True

    def enter_activity(self) -> None:
        """Let nothing more happen once the run has a problem."""
        self.go_on()
        self._interruption.pause(goes_on=not self._rolling_back)

    def start_activity(self, activity: Any) -> None:  # noqa: ARG002 - Chaos Toolkit's signature
        """Note that the pause before an activity is over."""
        self._interruption.pause(goes_on=False)

    def activity_completed(self, activity: Any, run: Any) -> None:  # noqa: ARG002 - Chaos Toolkit's signature
        """Note that what comes now is the pause after an activity."""
        self._interruption.pause(goes_on=not self._rolling_back)

    def leave_activity(self) -> None:
        """Note that an activity has ended, with its pauses."""
        self._interruption.pause(goes_on=False)

    def go_on(self) -> None:
        """Raise what makes Chaos Toolkit stop where the run has a problem or was stopped."""
        if self._rolling_back:
            return
        if self.run.problem:
            raise InterruptExecution(self.run.problem.message)
        if lifecycle.stopping.is_set():
            raise InterruptExecution("stopped by a signal")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Do something of ours: a signal waits until it is done, an error becomes the run's problem and stops it."""
        with self._interruption.held(), self._caught():
            yield
        self.go_on()

    @contextmanager
    def _caught(self) -> Iterator[None]:
        """Keep an error as the run's problem: Chaos Toolkit would swallow it and go on with nobody watching."""
        try:
            yield
        except ChaosctlError as error:
            self.run.fail(error)
        except Exception as error:  # noqa: BLE001 - the control's outermost edge
            self.run.fail(bug(error))

    def see_to_the_end(self) -> None:
        """After the method: see every fault end, and the service recover."""
        self.run.judge_failures()
        if self.run.problem:
            lifecycle.stopping.set()
        self.run.see_faults_end()
        self.run.watch_recovery()
        if self._watching:
            self._watching.set()

    def watch(self) -> None:
        """Have a thread heal at once where the run is stopped or goes blind, and end a pause that goes on."""
        self._watching = self.run.watchdog(self._interruption.end_pause)

    def _stopped(self, number: signal.Signals) -> None:
        self.run.fail(Aborted(f"Stopped by {number.name}.", "What was live was undone at once."))

    def finish(self, journal: dict[str, Any]) -> None:
        """Heal what is live whatever happened, write the record, and hand Chaos Toolkit verdict and exit code."""
        self._interruption.hold()
        if self._watching:
            self._watching.set()
        if isinstance(crash := sys.exception(), Exception):
            self.run.fail(Inconclusive(f"Chaos Toolkit crashed: {type(crash).__name__}: {crash}."))
        if any(not injection.finished for injection in lifecycle.injections):
            lifecycle.stopping.set()
        code = self.closing.finish(journal, lambda start, end: traffic(self.run.extension, start, end))
        self.run.close()
        context = click.get_current_context(silent=True)
        if context:
            context.find_root().call_on_close(_exiting(code))


_sessions: list[_Session] = []


def configure_control(experiment: Any, configuration: Any, secrets: Any, event_registry: EventHandlerRegistry) -> None:
    """Open the run; called once, by Chaos Toolkit, on the main thread."""
    session = _Session(experiment, configuration, secrets)
    _sessions.append(session)
    event_registry.register(session)
    session.open()


def before_experiment_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Stop here if the environment must not be touched; else start to sample."""
    _sessions[-1].begin()


def before_method_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Wait for the baseline, and watch over the method."""
    session = _sessions[-1]
    with session.kept():
        session.run.wait_for_baseline()
    session.watch()


def before_activity_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Let nothing more happen once the run has a problem."""
    _sessions[-1].enter_activity()


def after_activity_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Note that the activity and its pauses are over."""
    _sessions[-1].leave_activity()


def after_method_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """See every fault end and the service recover."""
    session = _sessions[-1]
    with session.kept():
        session.see_to_the_end()


def before_rollback_control(context: Any) -> None:  # noqa: ARG001 - Chaos Toolkit's signature
    """Let rollbacks be played, also where the run has a problem."""
    _sessions[-1].roll_back()


def _path() -> Path:
    """Return the experiment's file: what the engine says, else the source that `chaos run` was given."""
    context = click.get_current_context(silent=True)
    source = context.params.get("source", "") if context else ""
    return Path(os.environ.get(SOURCE) or source or "")


def _exiting(code: int) -> Callable[[], None]:
    def leave() -> None:
        raise SystemExit(code)

    return leave
