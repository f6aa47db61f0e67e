"""Signals during a run: when they break into what Chaos Toolkit does, and when they wait."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runner import lifecycle

__all__ = ["Interruption"]

_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit, signal.SIGHUP: SystemExit}


class Interruption:
    """Stops the run at a signal; `stopped` is called with each that came from outside.

    A signal sets lifecycle.stopping, and raises once between our own steps. While Chaos Toolkit pauses, every one
    raises: it pauses after an activity even where a signal ended that. Anywhere else a second one could break into
    what an activity puts right again, or make Chaos Toolkit drop its journal.
    """

    def __init__(self, stopped: Callable[[signal.Signals], None]) -> None:
        self._stopped = stopped
        self._held = False
        self._pausing = False
        self._heard = False
        self._own = False

    def install(self) -> None:
        """Take over the signals; on the main thread, after Chaos Toolkit took them."""
        for number in _RAISED:
            signal.signal(number, self._on_signal)

    def hold(self) -> None:
        """Raise nothing from here on."""
        self._held = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raise nothing meanwhile."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def pause(self, goes_on: bool) -> None:
        """Note where Chaos Toolkit may pause, before and after an activity; one in the background is not waited for."""
        if threading.current_thread() is threading.main_thread():
            self._pausing = goes_on

    def end_pause(self) -> None:
        """Break into a pause, from any thread."""
        if self._pausing and not self._held:
            self._own = True
            os.kill(os.getpid(), signal.SIGTERM)

    def _on_signal(self, number: int, _frame: object) -> None:
        own, self._own = self._own, False
        first = not (own or self._heard)
        if not own:
            self._heard = True
            self._stopped(signal.Signals(number))
        lifecycle.stopping.set()
        if not self._held and (self._pausing or first):
            raise _RAISED[signal.Signals(number)]
