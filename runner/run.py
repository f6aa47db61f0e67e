"""One run of one experiment: what is done around Chaos Toolkit's own steps, and the record of it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner import guardrails, lifecycle
from runner.config import Chosen, current_or_none
from runner.deployed import labelled
from runner.errors import ChaosctlError, Inconclusive, Residue, Unreachable, UsageError
from runner.experiment import Extension, experiment_hash
from runner.guardrails import conditions, halt
from runner.guardrails.conditions import inside
from runner.guardrails.halt import HaltGuard
from runner.guardrails.watch import Guard, Watch
from runner.holding import Hold
from runner.model import EndsBy, clock, format_duration
from runner.origin import origin, owner, problem, run_id
from runner.plan import Request, duration, foreseen, settled
from runner.progress import tell, told
from runner.sampler import Follower, Sampler

__all__ = ["Run"]

_BASELINE_PATIENCE = 15.0
_STREAK = 5
_LOOK_EVERY = 0.2


class Run:
    """A run from its configuration to its record; moments are seconds since the epoch."""

    def __init__(self, name: str, how: str) -> None:
        self.started = clock()
        self.id = run_id(name, self.started)
        self.chosen: Chosen | None = None
        self.problem: ChaosctlError | None = None
        self.residue: list[str] = []
        self.extension = Extension(name="chaosctl")
        self.sampler = Sampler((), lambda _follower: None)
        self.traffic: Mapping[str, Any] | None = None
        self._how = how
        self._rulings: tuple[guardrails.Ruling, ...] = ()
        self._locks = guardrails.Locks(owner(), f"run {self.id}")
        self._hold = Hold()
        self._watches: list[Watch] = []

    def choose(self) -> None:
        """Find out which system this is about, and whether it may be touched; raises what says why not."""
        self.chosen = current_or_none()
        if self.chosen:
            self._rulings += guardrails.enforce(guardrails.on_environment(self.chosen))

    def heed_halt(self) -> None:
        """Stop the run as soon as a halt is called, from now until it is closed."""
        self._watch(halt.guards(self.chosen))
        lifecycle.heeding.leave_to_run()

    def admit(self, requests: Sequence[Request]) -> None:
        """Decide on every fault of the method and take its targets, before the baseline.

        What matches nothing or is away yet may be there when its turn comes, which decides again. Raises Refused,
        Residue.
        """
        self._hold.take()
        for request in requests:
            try:
                made = foreseen(request, self.chosen)
                self._rulings += guardrails.enforce(made.rulings)
                environment = self.chosen.name if self.chosen else ""
                self._rulings += guardrails.admit(self._locks, made.fault, made.selected.targets, environment, ())
            except (Inconclusive, Unreachable):
                continue

    def guard(self, queries: Sequence[str]) -> None:
        """Hold the abort conditions and critical alerts against the service, and go on asking until all is healed.

        `queries` are those of the hypothesis: alerts that they name belong to it. Raises Refused where one holds
        already, Unreachable where there is nobody to ask, UsageError where one cannot be meant.
        """
        asked = self.chosen, self.extension.abort, inside(queries, self.extension.expected_alerts)
        self._rulings += guardrails.enforce(conditions.rule(*asked))
        self._watch(conditions.guards(*asked))

    def close(self) -> None:
        """Let go of the targets, and watch no more."""
        for watch in self._watches:
            watch.stop()
        self._locks.release()
        self._hold.end()

    def _watch(self, guards: Sequence[Guard]) -> None:
        watch = Watch(guards, self._tripped)
        self._watches.append(watch)
        watch.start()

    def _tripped(self, guard: Guard, error: ChaosctlError) -> None:
        """Stop the run; once every fault is gone, only a halt has anything left to stop."""
        if isinstance(guard, HaltGuard) or not self._healed():
            self.fail(error)
            lifecycle.stopping.set()
        else:
            self._rulings += tuple(error.rulings)

    def _healed(self) -> bool:
        return bool(lifecycle.injections) and all(injection.finished for injection in lifecycle.injections)

    def fail(self, error: ChaosctlError) -> None:
        """Keep why the run cannot take its course; the first reason stays."""
        self._rulings += tuple(error.rulings)
        if isinstance(error, Residue) and str(error) not in self.residue:
            self.residue.append(str(error))
        if self.problem is None:
            self.problem = error
            tell("stopped", error.message)

    def follow(self, followers: Sequence[Follower]) -> None:
        """Start to sample the hypothesis, as far back as the baseline needs."""
        self.sampler = Sampler(followers, self._seen)
        reach = max(
            (f.source.interval * (self.extension.baseline + 1) + f.source.settling for f in followers), default=0
        )
        self.sampler.start(clock() - reach)

    def refuse_short(self, requests: Sequence[Request]) -> None:
        """Raise UsageError where a fault is too short to show anything, by itself or by the scrape interval."""
        least = _STREAK * self._slowest()
        for request in requests:
            seconds = duration(request, self.chosen)
            settled(request, self.chosen).fault.refuse(seconds)
            if seconds < least and request.fault.ends_by is not EndsBy.ONE_SHOT:
                raise UsageError(
                    f"{request.fault.name} for {format_duration(seconds)} is too short to be seen: samples come every "
                    f"{format_duration(self._slowest())}, and {_STREAK} of them are the least.",
                    f"Let it last {format_duration(least)} or longer, or have the service scraped more often.",
                )

    def wait_for_baseline(self) -> None:
        """Return when the last samples of every probe are good; raises Inconclusive when they do not come to be."""
        if not self.sampler.followers:
            return
        wanted, slowest = self.extension.baseline, self._slowest()
        limit = clock() + wanted * slowest + _BASELINE_PATIENCE
        if not self.sampler.wait_good(wanted, lambda _follower: 0.0, limit, lifecycle.stopping):
            odd = min(self.sampler.followers, key=lambda follower: follower.good_in_a_row(0.0))
            last = odd.samples[-1] if odd.samples else None
            shown = f"{last.outcome}, {last.detail or last.value}" if last else "no sample at all"
            raise Inconclusive(
                f"The baseline did not hold within {format_duration(limit - self.started)}: {odd.probe} was last "
                f"{shown} ({odd.good_in_a_row(0.0)} of {wanted} in a row were good). Nothing was injected.",
                "A fault is judged against a steady service: see to that first.",
            )
        tell("baseline", f"the last {wanted} samples of each probe are good")

    def see_faults_end(self) -> None:
        """Wait for every fault's end, at its deadline or because the run was stopped, and see each one gone."""
        for injection in lifecycle.injections:
            injection.wait()
        self.heal()

    def heal(self) -> None:
        """End what is live, see it gone and remove what is left; what cannot be removed is the run's residue."""
        for injection in lifecycle.injections:
            try:
                injection.finish()
            except ChaosctlError as error:
                self.fail(error)

    def watch_recovery(self) -> None:
        """Wait until every probe is steady again, or twice the objective has passed: later earns nothing more."""
        healed = [course.healed for injection in lifecycle.injections for course in injection.courses if course.healed]
        if not healed or not self.sampler.followers:
            return
        since, settling = max(healed), max(follower.source.settling for follower in self.sampler.followers)
        limit = since + 2 * self.extension.objective + _STREAK * self._slowest() + settling
        if self.sampler.wait_good(_STREAK, lambda _follower: since, limit, lifecycle.stopping):
            tell("steady", f"{_STREAK} good samples of each probe after the fault was gone")
        elif not lifecycle.stopping.is_set():
            tell("unsteady", f"not steady {format_duration(limit - since)} after the fault was gone")

    def judge_failures(self) -> None:
        """Take over why actions failed: a fault that was not proven, a tool that is missing."""
        for error in lifecycle.failures:
            self.fail(error)

    def watchdog(self, interrupt: Callable[[], None]) -> threading.Event:
        """Heal at once when the run is stopped, goes blind or loses a fault; returns the event that ends this.

        The main thread cannot do it: Chaos Toolkit pauses after an activity even where a signal ended it. So it is
        interrupted again and again, until that ends.
        """
        ended = threading.Event()

        def watch() -> None:
            while not lifecycle.stopping.is_set():
                if ended.wait(_LOOK_EVERY):
                    return
                if self.sampler.blind and any(not injection.finished for injection in lifecycle.injections):
                    self.fail(Inconclusive(f"{self.sampler.blind}: the run is blind, so the fault was healed at once."))
                    lifecycle.stopping.set()
                if lifecycle.failures:  # nothing is left to wait for, and Chaos Toolkit would
                    lifecycle.stopping.set()
            self.judge_failures()
            self.heal()
            while not ended.wait(_LOOK_EVERY):
                interrupt()

        threading.Thread(target=watch, daemon=True).start()
        return ended

    def effective(self) -> float | None:
        """Return when a fault was first seen; None where none was."""
        seen = [course.effective for injection in lifecycle.injections for course in injection.courses]
        return min((moment for moment in seen if moment), default=None)

    def sampled_until(self) -> float:
        """Return until when the steady state is known."""
        last = [follower.samples[-1].at for follower in self.sampler.followers if follower.samples]
        return max(last, default=clock())

    def record(
        self, experiment: Mapping[str, Any], configuration: Mapping[str, Any], journal: Any, path: str
    ) -> dict[str, Any]:
        """Return the run in the shape of reports.record.Record."""
        faults = [injection.account() for injection in lifecycle.injections if injection.courses]
        targets = [target["target"] for fault in faults for target in fault["targets"]]
        started_by, missing = labelled(self.origin(), targets)
        if missing:
            tell("labels", missing)
        return {
            "run": self.id,
            "kind": "experiment",
            "experiment": self.experiment(experiment, configuration, path),
            "origin": started_by,
            "promise": self.extension.promise(),
            "started": self.started,
            "ended": clock(),
            "dry": bool(experiment.get("dry")),
            "timeline": told,
            "faults": faults,
            "series": [follower.account(self.started) for follower in self.sampler.followers],
            "events": self.traffic,
            "decisions": [ruling.account() for ruling in self._decisions()],
            "residue": self.residue,
            "problem": problem(self.problem),
            "journal": journal,
        }

    def experiment(self, experiment: Mapping[str, Any], configuration: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Return which experiment this is."""
        return {
            "title": experiment["title"],
            "path": path,
            "hash": experiment_hash(experiment, configuration, self.extension.slo_apart()),
            "tags": experiment.get("tags") or (),
        }

    def origin(self) -> dict[str, Any]:
        """Return who and what started the run."""
        return origin(self._how, self.chosen)

    def _decisions(self) -> list[guardrails.Ruling]:
        faults = [ruling for injection in lifecycle.injections for ruling in injection.rulings]
        return sorted(dict.fromkeys([*self._rulings, *faults]), key=lambda ruling: ruling.at)

    def _seen(self, follower: Follower) -> None:
        last = follower.samples[-1]
        tell("sample", probe=follower.probe, outcome=last.outcome.value, value=last.value, sampled=last.at)

    def _slowest(self) -> float:
        return max((follower.source.interval for follower in self.sampler.followers), default=1.0)
