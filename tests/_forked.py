"""Injections by forked processes, struck at random moments: a campaign that is lean enough for an emulated guest.

There a Python takes seconds to start, so each process begins as a copy of one that has. What strikes it is as in
tests/_strikes.py, and so is what has to be true afterwards; undoing is done here, by the ledger alone.
"""

import multiprocessing
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from runner import ledger
from runner.discovery import fault
from runner.entry import Entry
from runner.errors import ChaosctlError
from runner.lifecycle import Injection
from runner.model import State, clock
from runner.plan import plan
from tests._scratch import left
from tests._strikes import LATE, Outcome
from tests._wire import V4, Wire, wire

__all__ = ["FAULTS", "KILL", "REMAKE", "campaign"]

KILL, REMAKE = "SIGKILL", "namespace made again"
FAULTS: dict[str, dict[str, Any]] = {
    "network-delay": {"delay": "200ms"},
    "network-loss": {"percent": "60%"},
    "network-corrupt": {"percent": "60%"},
    "network-duplicate": {"percent": "60%"},
    "network-reorder": {"percent": "50%", "delay": "50ms"},
}
_LASTS = 8.0
_PATIENCE = 60.0
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Moment:
    """So many seconds after it told of a step."""

    step: str
    seconds: float


def campaign(seed: int, number: int) -> Iterator[Outcome]:
    """Strike so many injections, one after the other, each on a wire of its own."""
    chosen = random.Random(seed)  # noqa: S311 - a campaign, not secrets
    for position in range(number):
        name = list(FAULTS)[position % len(FAULTS)]
        step = ("armed", "effective", "before")[position // len(FAULTS) % 3]
        moment = Moment(step, chosen.uniform(0.0, 0.5 if step == "before" else 0.7 * _LASTS))
        strike = REMAKE if position % 4 == 3 else KILL
        with wire() as line:
            yield _struck(line, name, strike, moment)


def _struck(line: Wire, name: str, strike: str, moment: Moment) -> Outcome:
    outcome = Outcome(name, strike, f"{moment.step} + {moment.seconds:.2f} s")
    ours, theirs = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_inject, args=(theirs, name, line.client.name))
    process.start()
    theirs.close()
    armed = _reached(ours, moment)
    if strike == KILL:
        process.kill()
    else:
        subprocess.run(["ip", "netns", "del", line.client.namespace], check=True)
        subprocess.run(["ip", "netns", "add", line.client.namespace], check=True)
    process.join(_PATIENCE)
    dead = clock()
    for entry in ledger.entries():
        while ledger.busy(entry.id):
            threading.Event().wait(0.01)
            dead = clock()
        _watch(entry, entry.deadline if armed else dead + _LASTS, outcome)
        ledger.undo(entry)
    outcome.wrong += [f"residue after undoing: {found}" for found in left(line.client)]
    outcome.wrong += [f"residue after undoing: {entry.id} is listed" for entry in ledger.entries()]
    return outcome


def _inject(told: Connection, name: str, where: str) -> None:
    """Inject, and tell of each step, in a process of its own."""
    asked = {"where": where, "target": V4, "duration": f"{_LASTS:g}s", **FAULTS[name]}
    made = Injection(plan(fault(name), asked), threading.Event(), lambda word, _: told.send(word))
    with suppress(ChaosctlError, BrokenPipeError):  # what it could not do is no matter here: what it leaves is
        made.start()
        made.wait()
        made.finish()
    told.close()
    os._exit(0)


def _reached(told: Connection, moment: Moment) -> bool:
    """Wait until a moment, or until there is nothing more to wait for; return whether the run has told its deadline."""
    words: list[str] = []
    with suppress(EOFError):
        while moment.step not in words:
            words.append(told.recv())
        threading.Event().wait(moment.seconds)
        while told.poll():
            words.append(told.recv())
    return "armed" in words


def _watch(entry: Entry, deadline: float, outcome: Outcome) -> None:
    """See a fault end by itself, at its own target by its own checks."""
    limit = deadline + max(site.steps.drains for site in entry.sites)
    outcome.live = _live(entry)
    while (begun := clock()) < limit + _PATIENCE:
        if _live(entry):
            outcome.last_live = begun - limit
            outcome.late = outcome.late or begun > limit + LATE
        elif begun > limit:
            break
        threading.Event().wait(0.01)
    if outcome.late:
        outcome.wrong.append(f"live {outcome.last_live:.3f} s after its deadline")


def _live(entry: Entry) -> bool:
    return any(ledger.state(site, _PATIENCE) is State.LIVE for site in entry.sites)
