"""A halt is heeded by every process that injects, also by a plain `chaos run` without the control."""

import threading
from collections.abc import Sequence
from typing import Protocol

from runner.config import Chosen
from runner.errors import ChaosctlError
from runner.guardrails import halt
from runner.guardrails.watch import Guard, Watch

__all__ = ["Heeding"]


class _Ending(Protocol):
    def finish(self) -> None: ...


class Heeding:
    """Watches for a halt from the first fault of a process on, and ends all of them when one is called.

    Whoever else sees to them is told by `stopping` and `failures`; under plain `chaos run` there may be nobody.
    """

    def __init__(self, injections: Sequence[_Ending], stopping: threading.Event, failures: list[ChaosctlError]) -> None:
        self._injections = injections
        self._stopping = stopping
        self._failures = failures
        self._begun = False
        self._beginning = threading.Lock()

    def begin(self, chosen: Chosen | None) -> None:
        """Watch from now on, in that environment; can be called again, and from any thread."""
        with self._beginning:
            if not self._begun:
                self._begun = True
                Watch(halt.guards(chosen), self._halted).start()

    def leave_to_run(self) -> None:
        """Leave it to the run that these faults belong to, which watches by itself; two would ask twice as often."""
        with self._beginning:
            self._begun = True

    def _halted(self, _guard: Guard, error: ChaosctlError) -> None:
        with self._beginning:
            self._begun = False
        self._failures.append(error)
        self._stopping.set()
        for injection in self._injections:
            try:
                injection.finish()
            except ChaosctlError as left:
                self._failures.append(left)
