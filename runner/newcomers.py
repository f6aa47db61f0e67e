"""Targets that come while a fault is live: they take it too, until the same deadline."""

import threading
from collections.abc import Callable

from runner.course import Course
from runner.errors import ChaosctlError
from runner.model import clock, format_duration
from runner.selection import Arrivals
from runner.targets import Target

__all__ = ["Newcomers"]

_EVERY = 0.25
_SHORTEST = 3.0
_PATIENCE = 15.0


class Newcomers:
    """A thread that admits new targets from `start` to `stop`; `notes` say who came, and who could not be had.

    `admit` is called with a target and how many seconds the fault lasts there.
    """

    def __init__(self, admit: Callable[[Target, float], Course]) -> None:
        self.notes: list[str] = []
        self._admit = admit
        self._arrivals: Arrivals | None = None
        self._waiting: dict[str, tuple[Target, float]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="newcomers", daemon=True)
        self._deadline = 0.0

    def watch(self, begin: Callable[[], Arrivals] | None) -> None:
        """Begin to look for new targets, before the fault is there, so that none is missed."""
        self._arrivals = begin() if begin else None

    def start(self, deadline: float) -> None:
        """Begin to admit them."""
        self._deadline = deadline
        if self._arrivals:
            self._thread.start()

    def stop(self) -> None:
        """Admit no more; one that is being admitted is waited for."""
        self._stop.set()
        if self._arrivals:
            self._arrivals.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
            self.notes += self._arrivals.standing() if self._arrivals else ()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            assert self._arrivals  # noqa: S101 - only started with them
            for at in self._arrivals.fresh():
                self._waiting[at.name] = (at, clock())
            for at, since in list(self._waiting.values()):
                if not self._stop.is_set():
                    self._try(at, since)

    def _try(self, at: Target, since: float) -> None:
        """Admit one; what cannot be had at once, as while it is still starting, is tried again for a while."""
        left = self._deadline - clock() - _SHORTEST / 2
        if left < _SHORTEST:
            self._give_up(at, "it came when the fault was about to end")
            return
        try:
            course = self._admit(at, left)
        except ChaosctlError as error:
            if clock() - since > _PATIENCE:
                self._give_up(at, error.message)
            return
        del self._waiting[at.name]
        took = format_duration(max(0.001, (course.committed or clock()) - since))
        self.notes.append(f"{at.name} came while the fault was live, and took it {took} later.")

    def _give_up(self, at: Target, why: str) -> None:
        del self._waiting[at.name]
        self.notes.append(f"{at.name} came while the fault was live, and did not take it: {why.rstrip('.')}.")
