"""What goes on at one target all the while: what the fault does there, and the look that stays."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, runtime_checkable

from runner.errors import ChaosctlError
from runner.fault import Fault, Stage, Watcher
from runner.looking import look, named
from runner.model import Look, ProbeCall, Sight
from runner.targets import Target

__all__ = ["Acting"]


@runtime_checkable
class _Watching(Protocol):
    """A target where looks that stay are made there, not here."""

    def watch(self, call: ProbeCall) -> Watcher:
        """Return one that was not opened yet."""


def _watcher(at: Target, call: ProbeCall) -> Watcher:
    if isinstance(at, _Watching) and not call.here:
        return at.watch(call)
    found: Watcher = named(call.function)(at, **call.arguments)
    return found


class Acting:
    """One fault at one target, between its first look and its last; `errors` is where it says what went wrong.

    `gone` tells whether the fault is there no more: then there is nothing to act on, and that is no error.
    """

    def __init__(self, fault: Fault, at: Target, errors: list[str], gone: Callable[[], bool]) -> None:
        self._fault = fault
        self._at = at
        self._errors = errors
        self._gone = gone
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._watcher: Watcher | None = None

    def open(self, call: ProbeCall) -> None:
        """Begin to look, where that is to go on all the while; raises what says why it cannot."""
        if call.stays:
            self._watcher = _watcher(self._at, call)
            self._watcher.open()

    def look(self, call: ProbeCall, before: Look | None) -> Look:
        """Look now."""
        return self._watcher.look(before) if self._watcher else look(self._at, call, before)

    def begin(self, fault_id: str, committed: float, deadline: float) -> None:
        """Let the fault act, in a thread of its own that dies with the process."""
        if type(self._fault).act is not Fault.act:
            stage = Stage(self._at, fault_id, committed, deadline, self._over, self._watcher, self._errors)
            self._thread = threading.Thread(target=self._act, args=(stage,), daemon=True, name=f"{fault_id} acts")
            self._thread.start()

    def stop(self) -> None:
        """Stop what the fault does, and wait until nothing of it is under way."""
        self._over.set()
        if self._thread:
            self._thread.join()

    def achieved(self, since: float, until: float) -> Look | None:
        """Return what a fault that was watched came to, None for one that was not."""
        try:
            return self._watcher.achieved(since, until) if self._watcher else None
        except ChaosctlError as error:
            return Look(since, until, Sight.UNCLEAR, error.message)

    def close(self) -> None:
        """Look no more; what looked from a place that cannot be reached any more has ended with it."""
        if self._watcher:
            with suppress(ChaosctlError):
                self._watcher.close()

    def _act(self, stage: Stage) -> None:
        try:
            self._fault.act(stage)
        except ChaosctlError as error:
            if not self._gone():
                self._errors.append(error.message)
        except Exception as error:  # noqa: BLE001 - a thread's outermost edge
            self._errors.append(f"a bug of ours stopped what it does all the while: {type(error).__name__}: {error}")
