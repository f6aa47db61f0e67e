"""One fault by hand: told as it goes, stopped by a signal, recorded without a score."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from runner.errors import Aborted, ChaosctlError, Inconclusive, Residue
from runner.guardrails import Ruling
from runner.guardrails.during import During
from runner.lifecycle import Injection
from runner.model import clock, format_duration, iso
from runner.plan import Plan

__all__ = ["Session"]

_SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


class Session:
    """One `chaosctl inject`; `planned` is called once, and may refuse."""

    def __init__(self, planned: Callable[[], Plan], as_json: bool) -> None:
        self._planned = planned
        self._as_json = as_json
        self._started = clock()
        self._timeline: list[dict[str, Any]] = []
        self._stop = threading.Event()
        self._on_proof: Callable[[Injection], None] = lambda _injection: None
        self._problem: ChaosctlError | None = None
        self._during: During | None = None

    def foreground(self) -> None:
        """Inject, wait, heal and record; raises what the exit code must say if it is not 0."""
        injection = Injection(self._planned(), self._stop, self._tell)
        self._during = During(injection.plan.chosen, self._tripped)
        with self._signals():
            self._say(f"{injection.plan.fault.name} {injection.id}: {injection.plan.sentence}")
            try:
                with self._during:
                    self._see_through(injection)
            except ChaosctlError as error:
                if self._problem is None or isinstance(error, Residue):
                    self._problem = error
                raise self._problem from error
            finally:
                self._record(injection)
        if self._as_json:
            click.echo(json.dumps(injection.account()))
        self._conclude(injection)

    def _see_through(self, injection: Injection) -> None:
        """Inject, wait and finish; whatever goes wrong on the way, the fault ends at once."""
        try:
            injection.start()
            self._on_proof(injection)
            with _Countdown(injection, sys.stderr.isatty()):
                injection.wait()
        except BaseException:
            self._stop.set()
            raise
        finally:
            injection.finish()

    def detached(self) -> None:
        """Let a process of its own do it, and return once the effect is proven there, or exit with its error.

        The child is forked before any thread exists, leads a session of its own, and reports through a pipe.
        """
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            self._background(writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            told = json.loads(pipe.read() or '{"error": "chaosctl: the background process died before the proof."}')
        if "error" in told:
            click.echo(told["error"], err=True)
            sys.exit(told.get("exit_code", 4))
        self._say(f"{told['sentence']}: proven, ends by itself at {told['deadline']}")
        click.echo(json.dumps(told) if self._as_json else told["id"])

    def _background(self, pipe: int) -> NoReturn:
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        self._on_proof = lambda injection: _report(
            pipe, {"id": injection.id, "sentence": injection.plan.sentence, "deadline": iso(injection.deadline)}
        )
        code = 0
        try:
            self.foreground()
        except Exception as error:  # noqa: BLE001 - the background process's outermost edge
            code = error.exit_code if isinstance(error, ChaosctlError) else 4
            if not any(step["what"] == "effective" for step in self._timeline):
                _report(pipe, {"error": f"chaosctl: {error}", "exit_code": code})
        os._exit(code)

    def _conclude(self, injection: Injection) -> None:
        """Say what it comes to: proven and healed, or the error that says why not."""
        hits = injection.hits
        met = "how often the workload met it is not known" if hits is None else f"the workload met it {hits} times"
        if self._problem:
            raise self._problem
        if any(course.ended_how == "undone" for course in injection.going):
            raise Aborted("Stopped by a signal and undone at once.", f"Nothing of it is left; {met}.")
        early = [course for course in injection.going if course.ended_how == "early"]
        if len(injection.going) - len(early) < injection.plan.needed:
            raise Inconclusive(
                f"The fault was gone at {early[0].at.name} before its deadline: somebody else removed it.",
                "`chaosctl recover` elsewhere does that, or a firewall reload (`nft flush ruleset`).",
            )
        if wrong := next((course for course in injection.going if course.errors), None):
            raise Inconclusive(
                f"The fault is not proven at {wrong.at.name}: {wrong.errors[0]}.",
                "It was healed. Try again, for longer where the machine is busy: more periods make a better figure.",
            )
        if not injection.healed:
            odd = next(course for course in injection.going if not course.healed)
            raise Inconclusive(
                f"The fault was removed, but its effect is not seen gone at {odd.at.name}: "
                f"{odd.after.detail if odd.after else 'nobody looked'}.",
                "Nothing of ours is left there; see what else keeps it from working.",
            )
        given_up = len(injection.courses) - len(injection.going) + len(early)
        where = f" at {len(injection.courses) - given_up} of {len(injection.courses)} targets" if given_up else ""
        self._say(f"proven and healed{where}; {met}")

    def _tell(self, what: str, sentence: str) -> None:
        self._timeline.append({"at": clock(), "what": what, "detail": sentence})
        if what == "armed" and self._during:
            self._during.armed()
        self._say(f"  {what:<10}{format_duration(clock() - self._started):>7}  {sentence}")

    def _tripped(self, error: ChaosctlError) -> None:
        """End the fault because a guardrail says so; what it said first stays."""
        if self._problem is None:
            self._problem = error
            self._tell("stopped", error.message)
        self._stop.set()

    def _say(self, text: str) -> None:
        click.echo(text, err=self._as_json)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, lambda *_: self._stop.set()) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _record(self, injection: Injection) -> None:
        """Leave the record in the spool: the store's libraries would cost more than the whole injection.

        That it could not be kept is told, and changes nothing of what the fault came to.
        """
        from reports import spool  # noqa: PLC0415 - after the fault, where its time costs nothing
        from reports.record import Record  # noqa: PLC0415
        from runner.deployed import labelled  # noqa: PLC0415
        from runner.origin import origin, problem, run_id  # noqa: PLC0415

        if not any(course.before for course in injection.courses):
            return
        account = injection.account()
        by_hand = origin("chaosctl inject", injection.plan.chosen)
        started_by, missing = labelled(by_hand, [target["target"] for target in account["targets"]])
        if missing:
            self._tell("labels", missing)
        data = {
            "run": run_id(injection.plan.fault.name, self._started),
            "kind": "inject",
            "experiment": {"title": injection.plan.sentence},
            "origin": started_by,
            "promise": {},
            "started": self._started,
            "ended": clock(),
            "timeline": self._timeline,
            "faults": [account],
            "decisions": [ruling.account() for ruling in self._decisions(injection)],
            "residue": [self._problem.message] if isinstance(self._problem, Residue) else [],
            "problem": problem(self._problem),
        }
        chosen = injection.plan.chosen
        try:
            spool.put(Record.model_validate(data), chosen.store_url() if chosen else "")
        except ChaosctlError as error:
            click.echo(f"chaosctl: The record of this was not kept. {error}", err=True)

    def _decisions(self, injection: Injection) -> list[Ruling]:
        during = self._during.rulings if self._during else []
        tripped = self._problem.rulings if self._problem else ()
        found = dict.fromkeys([*injection.rulings, *during, *tripped])
        return sorted(found, key=lambda ruling: ruling.at)


class _Countdown:
    """A line on a terminal that says how long the fault still lasts."""

    def __init__(self, injection: Injection, shown: bool) -> None:
        self._injection = injection
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True) if shown else None

    def __enter__(self) -> None:
        if self._thread:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread:
            self._thread.join()

    def _count(self) -> None:
        while not self._ended.wait(0.2):
            left = max(0.0, self._injection.deadline - clock())
            click.echo(f"\r  {left:5.0f} s left; Ctrl-C heals at once ", nl=False, err=True)
        click.echo("\r" + " " * 50 + "\r", nl=False, err=True)


def _report(pipe: int, told: dict[str, Any]) -> None:
    os.write(pipe, json.dumps(told).encode())
    os.close(pipe)
