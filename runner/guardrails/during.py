"""The guardrails while one injection by hand goes on; a run of an experiment has its own watch."""

import threading
from collections.abc import Callable

from runner.config import Chosen
from runner.errors import ChaosctlError
from runner.guardrails import halt
from runner.guardrails.ruling import Ruling, allow
from runner.guardrails.watch import Guard, Watch

__all__ = ["During"]


class During:
    """Watches for a halt at once, and asks Prometheus once the fault is armed: its libraries take longer than that.

    `rulings` say what is watched; `trip` is called with why the fault must end, in a thread of its own.
    """

    def __init__(self, chosen: Chosen | None, trip: Callable[[ChaosctlError], None]) -> None:
        self._chosen = chosen
        self._trip = trip
        self._ended = threading.Event()
        self.rulings: list[Ruling] = []
        self._watches = [Watch(halt.guards(chosen), self._tripped)]

    def __enter__(self) -> "During":
        self._watches[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for watch in self._watches:
            watch.stop()

    def armed(self) -> None:
        """Begin to ask the environment's Prometheus, where it names one."""
        if self._chosen and self._chosen.environment.prometheus:
            threading.Thread(target=self._ask, name="guardrails by PromQL", daemon=True).start()

    def _ask(self) -> None:
        from runner.guardrails import conditions  # noqa: PLC0415 - off the way to the commit

        try:
            guards = conditions.guards(self._chosen)
        except ChaosctlError as error:
            self._trip(error)
            return
        self.rulings += [allow(guard.name, "asked every second from the commit on") for guard in guards]
        watch = Watch(guards, self._tripped)
        self._watches.append(watch)
        watch.start()
        if self._ended.is_set():
            watch.stop()

    def _tripped(self, _guard: Guard, error: ChaosctlError) -> None:
        if not self._ended.is_set():
            self._trip(error)
