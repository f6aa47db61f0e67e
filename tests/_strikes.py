"""One injection of any fault that is struck at some moment of its life, and what is true of it afterwards."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runner import ledger
from runner.entry import Entry, parsed
from runner.lock import held
from runner.model import State, clock
from tests._campaign import Moment, Run, moments, running
from tests._network import Network, network

__all__ = ["CASES", "LATE", "STRIKES", "Case", "Outcome", "struck"]

LATE = 0.1
"""How long after its deadline a fault may still be found live, seconds."""

_PATIENCE = 60.0


@dataclass(frozen=True)
class Case:
    """A fault with its arguments and seconds; `process` is a program that runs at the target for it to act on."""

    fault: str
    arguments: tuple[str, ...] = ()
    process: tuple[str, ...] = ()
    lasts: float = 2.0

    def moment(self, seed: int, position: int) -> Moment:
        """Return one of the moments of its life; positions next to each other are in different parts of it."""
        return moments(seed, position + 1, self.lasts)[position]


@dataclass
class Outcome:
    """What became of one injection; `last_live` is when it was last found live, seconds after its deadline."""

    fault: str
    strike: str
    when: str
    live: bool = False
    last_live: float | None = None
    wrong: list[str] = field(default_factory=list)


CASES = (
    Case("network-dns", ("--target=redis-cluster",)),
    Case("network-partition", ("--target=10.99.7.2",)),
    Case("network-rate", ("--target=10.99.7.2", "--rate=1mbit"), lasts=4.0),
    Case("process-stop", ("--process=sleep",), ("sleep", "600")),
)
"""The faults that this machine can have in a namespace of its own; a campaign leaves out those that are not there."""


def _terminate(run: Run) -> None:
    run.process.send_signal(signal.SIGTERM)
    run.process.wait(_PATIENCE)


def _kill(run: Run) -> None:
    """Kill the process alone: its commands in flight go on."""
    run.process.kill()
    run.process.wait()


def _kill_group(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()


def _remake(run: Run) -> None:
    """Delete the target's namespace and make it again under the same name, as a restart does; the run goes on."""
    name = run.net.client.namespace
    subprocess.run(["ip", "netns", "del", name], check=True)
    subprocess.run(["ip", "netns", "add", name], check=True)
    run.process.wait(_PATIENCE)


STRIKES: dict[str, Callable[[Run], None]] = {
    "SIGTERM": _terminate,
    "SIGKILL": _kill,
    "SIGKILL of its group": _kill_group,
    "namespace made again": _remake,
}


def struck(case: Case, strike: str, moment: Moment, place: Path) -> Outcome:
    """Strike one injection on a network of its own, and see it end in time and leave nothing once recovered."""
    with network() as net:
        victim = _started(case, net)
        try:
            return _struck(case, strike, moment, net, place)
        finally:
            if victim:
                victim.kill()
                victim.wait()


def _struck(case: Case, strike: str, moment: Moment, net: Network, place: Path) -> Outcome:
    outcome = Outcome(case.fault, strike, moment.after or "start")
    with running(net, place, f"{case.lasts:g}s", moment.slow, case.fault, case.arguments) as run:
        run.reach(moment)
        STRIKES[strike](run)
        dead = clock()
    for path in _entries(place):
        _watch(path, run, dead, case.lasts, outcome)
    if strike == "SIGTERM" and run.fault_id and run.process.returncode not in (0, 5):
        outcome.wrong.append(f"SIGTERM ended it with {run.process.returncode}: {''.join(run.steps)}")
    if any(sign in line for line in run.steps for sign in ("bug of ours", "Traceback")):
        outcome.wrong.append(f"it said: {''.join(run.steps)}")
    recovered = run.chaosctl("recover", "--all")
    if recovered.returncode:
        outcome.wrong.append(f"recover ended with {recovered.returncode}: {recovered.stderr}")
    outcome.wrong += [f"residue after recover: {left}" for left in (*run.left(), *_open(place))]
    shutil.rmtree(place, ignore_errors=True)
    return outcome


def _watch(path: Path, run: Run, dead: float, lasts: float, outcome: Outcome) -> None:
    """See one fault that the ledger knows end by itself, at its own targets by its own checks.

    Where the run could not tell its deadline any more, that is counted from when the last command of it was at work.
    """
    entry = parsed(path.read_text())
    if entry.closed:
        return
    while held(path.with_suffix(".lock")):
        threading.Event().wait(0.01)
        dead = clock()
    told = any(line.split()[:1] == ["armed"] for line in run.steps)
    deadline = entry.deadline if told else dead + lasts
    outcome.live = _live(entry)
    while (begun := clock()) < deadline + LATE + 0.5:
        if _live(entry):
            outcome.last_live = begun - deadline
            if begun > deadline + LATE:
                outcome.wrong.append(f"live {begun - deadline:.3f} s after its deadline")
        elif begun > deadline:
            return
        threading.Event().wait(0.01)


def _live(entry: Entry) -> bool:
    """Whether the fault is live at any of its targets; one that is gone has none."""
    return any(ledger.state(site) is State.LIVE for site in entry.sites)


def _open(place: Path) -> list[str]:
    """Return the faults that the ledger there still lists."""
    entries = [parsed(path.read_text()) for path in _entries(place)]
    return [f"{entry.id} is listed" for entry in entries if not entry.closed]


def _entries(place: Path) -> list[Path]:
    return sorted((place / "state" / "chaosctl" / "ledger").glob("*.json"))


def _started(case: Case, net: Network) -> "subprocess.Popen[bytes] | None":
    if not case.process:
        return None
    return subprocess.Popen(["ip", "netns", "exec", net.client.namespace, *case.process])
