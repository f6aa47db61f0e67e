"""What guardrails do while a fault is live: each is asked at its own pace, and the first that trips ends it."""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from runner.errors import ChaosctlError
from runner.guardrails.ruling import Ruling
from runner.model import clock

__all__ = ["Guard", "Watch"]


class Guard(Protocol):
    """One guardrail during a run, asked every so many seconds."""

    name: str
    every: float

    def look(self) -> ChaosctlError | None:
        """Return what ends the run if it must end; raises it as well."""

    def close(self) -> None:
        """Let go of connections."""


class Watch:
    """Guards in threads of their own, so that one that waits for an answer keeps no other from its work.

    `trip` is called with the guard and what it said, its decision included, in the guard's thread; that guard is done
    then.
    """

    def __init__(self, guards: Sequence[Guard], trip: Callable[[Guard, ChaosctlError], None]) -> None:
        self._trip = trip
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(guard,), name=f"guardrail {guard.name}", daemon=True)
            for guard in guards
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more; what is being asked may still answer, and is not heard."""
        self._ended.set()

    def _keep(self, guard: Guard) -> None:
        """Ask until one trips; a guard that ends for any other reason than that has tripped too."""
        told: ChaosctlError | None = ChaosctlError(
            f"The guardrail {guard.name!r} ended by a bug of ours, so nobody watched any more.",
            "What was live was healed at once. CHAOSCTL_DEBUG=1 shows more.",
        )
        try:
            told = self._asked(guard)
        except ChaosctlError as error:
            told = error
        finally:
            guard.close()
            if told and not self._ended.is_set():
                told.rulings = (*told.rulings, Ruling(clock(), guard.name, False, told.message))
                self._trip(guard, told)

    def _asked(self, guard: Guard) -> ChaosctlError | None:
        due = clock()
        while not self._ended.wait(max(0.0, due - clock())):
            if told := guard.look():
                return told
            due = max(due + guard.every, clock())
        return None
