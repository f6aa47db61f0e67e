"""Runs one experiment in a process of its own: chaoslib keeps global state and installs signal handlers."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runner.experiment import CONTROL, check, has_control
from runner.progress import EVENTS, SOURCE

__all__ = ["Engine"]

_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@dataclass(frozen=True)
class Engine:
    """One `chaos run`, followed by the events that runner.control tells.

    `variables` are passed on as `--var`, the environment by its name; the journal is kept where `journal` says.
    """

    path: Path
    variables: Sequence[str] = ()
    environment: str = ""
    journal: Path | None = None

    def events(self) -> Iterator[dict[str, Any]]:
        """Start the run and yield what it tells; the last event says `exit`, with its code and Chaos Toolkit's log.

        Raises InvalidFile before anything is started where the experiment cannot be meant. SIGINT, SIGTERM and SIGHUP
        are passed on to the run, which heals, closes its record and ends.
        """
        experiment = check(self.path)
        reading, writing = os.pipe()
        with tempfile.TemporaryDirectory(prefix="chaosctl-") as scratch, os.fdopen(reading) as pipe:
            source = self.path if has_control(experiment) else _with_control(experiment, Path(scratch))
            log = Path(scratch) / "log"
            with log.open("w") as errors:
                child = subprocess.Popen(
                    self._argv(source, self.journal or Path(scratch) / "journal.json"),
                    env=self._variables_for(writing),
                    pass_fds=(writing,),
                    stdout=errors,
                    stderr=errors,
                )
            os.close(writing)
            with _passed_on(child), _seen_out(child):
                yield from map(json.loads, pipe)
                code = child.wait()
            yield {"what": "exit", "code": code, "log": log.read_text()}

    def _variables_for(self, pipe: int) -> dict[str, str]:
        chosen = {"CHAOSCTL_ENV": self.environment} if self.environment else {}
        return {**os.environ, **chosen, EVENTS: str(pipe), SOURCE: str(self.path.resolve())}

    def _argv(self, source: Path, journal: Path) -> list[str]:
        variables = [part for variable in self.variables for part in ("--var", variable)]
        chaos = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "run"]
        return [*chaos, "--journal-path", str(journal), *variables, str(source)]


@contextmanager
def _passed_on(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let signals end the run, not this process before it."""
    before = {number: signal.signal(number, lambda got, _: child.send_signal(got)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _seen_out(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Leave no run behind that nobody follows any more."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


def _with_control(experiment: dict[str, Any], scratch: Path) -> Path:
    """Return a copy of an experiment that does not attach the control itself, with it attached."""
    copy = scratch / "experiment.yaml"
    controls = [CONTROL, *(experiment.get("controls") or [])]
    copy.write_text(yaml.safe_dump({**experiment, "controls": controls}, sort_keys=False))
    return copy
