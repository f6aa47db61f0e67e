"""Small experiments on a namespace, run by the real Chaos Toolkit."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from runner.model import clock
from runner.targets import Target
from tests._cli import CHAOSCTL

ROOT = Path(__file__).parent.parent
CHAOS = str(Path(sys.executable).parent / "chaos")
CONTROL = {"name": "chaosctl", "provider": {"type": "python", "module": "runner.control"}}


def python(kind: str, name: str, where: str, arguments: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return an activity; `where` is module:function."""
    module, _, function = where.partition(":")
    provider = {"type": "python", "module": module, "func": function, "arguments": dict(arguments)}
    return {"name": name, "type": kind, "provider": provider, **more}


def touching(path: Path, name: str = "touch") -> dict[str, Any]:
    """Return an action that leaves a file, to see that it was played."""
    return {"name": name, "type": "action", "provider": {"type": "process", "path": "touch", "arguments": [str(path)]}}


def scratch(at: Target, duration: str = "1h", pause: float = 0, **arguments: Any) -> dict[str, Any]:
    """Return the action of the tests' own fault, with a pause in seconds after it."""
    given = {"where": at.name, "duration": duration, **arguments}
    return python("action", "scratch it", "tests._scratch:scratch", given, pauses={"after": pause})


def calm(value: object = True, tolerance: object = True) -> dict[str, Any]:
    """Return a probe that answers the same whatever happens."""
    return python("probe", "it is calm", "tests._probes:always", {"value": value}, tolerance=tolerance)


def experiment(*method: Mapping[str, Any], probes: tuple[Mapping[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """Return an experiment whose baseline is one good sample."""
    return {
        "title": "a test",
        "description": "of the tests' own",
        "controls": [CONTROL],
        "extensions": [{"name": "chaosctl", "baseline": 1, "objective": "1s"}],
        "steady-state-hypothesis": {"title": "calm", "probes": list(probes or (calm(),))},
        "method": list(method),
        **more,
    }


@dataclass(frozen=True)
class Ended:
    """A run that has ended, and what is kept of it."""

    code: int
    printed: str
    journal: dict[str, Any] | None
    record: dict[str, Any] | None


@dataclass
class Running:
    """A run under way, with a folder and a state directory of its own."""

    place: Path
    process: "subprocess.Popen[str]"
    environment: dict[str, str]

    def live(self) -> None:
        """Wait until its fault is proven: its sentence in the log is the last thing before Chaos Toolkit goes on."""
        self.until(lambda: "effective: " in (self.place / "log").read_text())

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for something that the run brings about."""
        limit = clock() + 120
        while not true():
            assert self.process.poll() is None, (self.place / "log").read_text()
            assert clock() < limit
            time.sleep(0.01)

    def ended(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal if one is given, wait for the end, and return what came of it."""
        if number:
            self.process.send_signal(number)
        code = self.process.wait(120)
        journal = self.place / "journal.json"
        return Ended(
            code,
            (self.place / "log").read_text(),
            json.loads(journal.read_text()) if journal.exists() else None,
            self._record(),
        )

    def chaosctl(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run chaosctl on the same state."""
        argv = [CHAOSCTL, *arguments]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=False, timeout=60)

    def _record(self) -> dict[str, Any] | None:
        shown = self.chaosctl("report", "show", "last", "--output", "json")
        return json.loads(shown.stdout) if shown.returncode == 0 else None


@contextmanager
def chaos_run(place: Path, what: Mapping[str, Any], *options: str, **environment: str) -> Iterator[Running]:
    """Start plain `chaos run` in a folder of its own."""
    place.mkdir(exist_ok=True)
    file = place / "experiment.yaml"
    file.write_text(yaml.safe_dump(dict(what), sort_keys=False))
    given = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(place / "state"), **environment}
    argv = [CHAOS, "--no-version-check", "--no-log-file", "run", "--journal-path", "journal.json", *options, str(file)]
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            argv, cwd=place, env=given, stdout=log, stderr=log, stdin=subprocess.DEVNULL, text=True
        )
    try:
        yield Running(place, process, given)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def chaos(place: Path, what: Mapping[str, Any], *options: str, **environment: str) -> Ended:
    """Run `chaos run` to its end."""
    with chaos_run(place, what, *options, **environment) as running:
        return running.ended()
