"""Targets that come while a fault is live: they take it too, until the same deadline, where guardrails allow it."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from runner.course import Course
from runner.errors import ChaosctlError
from runner.model import clock, format_duration
from runner.selection import Arrivals, Selected
from runner.targets import Target

__all__ = ["Newcomers"]

_EVERY = 0.25
_SHORTEST = 3.0
_PATIENCE = 15.0


@dataclass
class _Waiting:
    """One that came, when, and why it does not have the fault so far."""

    at: Target
    since: float = field(default_factory=clock)
    why: str = ""


class Newcomers:
    """A thread that admits new targets from `start` to `stop`; `notes` say who came, and who could not be had.

    `rule` raises what guardrails have against one, `admit` is called with a target and how many seconds the fault lasts
    there.
    """

    def __init__(self, rule: Callable[[Selected, float], None], admit: Callable[[Target, float], Course]) -> None:
        self.notes: list[str] = []
        self._rule = rule
        self._admit = admit
        self._arrivals: Arrivals | None = None
        self._waiting: dict[str, _Waiting] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="newcomers", daemon=True)
        self._deadline = 0.0

    def watch(self, begin: Callable[[], Arrivals] | None) -> None:
        """Begin to look for new targets, before the fault is there, so that none is missed."""
        self._arrivals = begin() if begin else None

    def start(self, deadline: float, without: Iterable[str]) -> None:
        """Begin to admit them; `without` are the names of targets that were meant to have the fault and do not."""
        self._deadline = deadline
        if self._arrivals:
            for name in without:
                self._arrivals.gave_up(name)
            self._thread.start()

    def stop(self) -> None:
        """Admit no more; one that is being admitted is waited for."""
        self._stop.set()
        if self._arrivals:
            self._arrivals.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
            for one in list(self._waiting.values()):
                self._give_up(one, "the fault ended first")
            self.notes += self._arrivals.standing() if self._arrivals else ()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            assert self._arrivals  # noqa: S101 - only started with them
            for at in self._arrivals.fresh():
                self._waiting[at.name] = _Waiting(at)
            for one in list(self._waiting.values()):
                if not self._stop.is_set():
                    self._try(one, self._arrivals)

    def _try(self, one: _Waiting, arrivals: Arrivals) -> None:
        """Admit one; what cannot be had at once is tried again for a while.

        It may still be starting, or those whose place it takes may still be there, so that there are too many.
        """
        left = self._deadline - clock() - _SHORTEST / 2
        if left < _SHORTEST:
            self._give_up(one, "it came when the fault was about to end")
            return
        try:
            self._rule(arrivals.proposed(one.at.name), left)
            course = self._admit(one.at, left)
        except ChaosctlError as error:
            one.why = error.message
            if clock() - one.since > _PATIENCE:
                self._give_up(one)
            return
        if course.failure:
            one.why = course.failure.message
            self._give_up(one)
            return
        del self._waiting[one.at.name]
        arrivals.took(one.at.name)
        took = format_duration(max(0.001, (course.committed or clock()) - one.since))
        self.notes.append(f"{one.at.name} came while the fault was live, and took it {took} later.")

    def _give_up(self, one: _Waiting, otherwise: str = "") -> None:
        """Account for one that does not have the fault; `otherwise` says why where no try has said it before."""
        assert self._arrivals  # noqa: S101 - it is one of them
        del self._waiting[one.at.name]
        self._arrivals.gave_up(one.at.name)
        why = (one.why or otherwise).rstrip(".")
        self.notes.append(f"{one.at.name} came while the fault was live, and did not take it: {why}.")
