"""How one fault goes at one target: look, inject, look, watch, end, look."""

import re
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from runner import ledger
from runner.errors import ChaosctlError
from runner.fault import Fault
from runner.ledger import Site
from runner.model import Look, Sight, State, clock
from runner.targets import Target

__all__ = ["Course"]

_PROOF_LIMIT = 10.0
_END_LIMIT = 2.0
_HEAL_LIMIT = 30.0
_PAUSE = 0.05
_TICK = 0.02
"""Kernel timers may be early by as much as one tick: 10 ms at 100 Hz."""


class Course:
    """One fault at one target; moments are seconds since the epoch, None until seen."""

    def __init__(self, fault: Fault, at: Target, fault_id: str, seconds: float) -> None:
        self.at = at
        self.site = Site(at.name, at.identity(), fault.steps(at, fault_id, seconds))
        self.before: Look | None = None
        self.during: Look | None = None
        self.after: Look | None = None
        self.committed: float | None = None
        self.ended: float | None = None
        self.ended_how = "unknown"
        self.hits: int | None = None
        self.errors: list[str] = []
        self._seconds = seconds
        self._sent: float | None = None
        proof = fault.proof(at)
        module, _, function = proof.function.partition(":")
        self._probe: Callable[..., Look] = getattr(import_module(module), function)
        self._arguments = proof.arguments

    @property
    def deadline(self) -> float | None:
        """When the fault ends by itself here; counted from the commit."""
        return self.committed + self._seconds if self.committed else None

    @property
    def effective(self) -> float | None:
        """When the look began that first saw the fault."""
        return self.during.asked if self.during and self.during.sight is Sight.PRESENT else None

    @property
    def healed(self) -> float | None:
        """When the look ended that first saw it gone."""
        return self.after.answered if self.after and self.after.sight is Sight.ABSENT else None

    def look_before(self) -> None:
        """See the target without the fault."""
        self.before = self._look()

    def inject(self, lock: int) -> None:
        """Run the injecting commands; they hold the ledger's lock as long as they live."""
        self._sent = clock()
        for command in self.site.steps.inject:
            self.at.run(command, pass_fds=(lock,))
        self.committed = clock()

    def look_during(self, stop: threading.Event) -> None:
        """Look until the fault is seen, for at most ten seconds and never past the deadline."""
        limit = min(clock() + _PROOF_LIMIT, self.deadline or 0.0)
        self.during = self._look()
        while self.during.sight is not Sight.PRESENT and clock() < limit and not stop.wait(_PAUSE):
            self.during = self._look()

    def watch(self) -> None:
        """See whether the fault is still in place before its deadline; note when it is not.

        The target counts from a moment between sending the command and hearing of its end, so only what ended before
        the earliest possible deadline ended early.
        """
        if self.ended is not None or self._sent is None or self._state() not in (State.INERT, State.ABSENT):
            return
        if (now := clock()) < self._sent + self._seconds - _TICK:
            self.ended, self.ended_how = now, "early"
            self.errors.append("it was gone before its deadline: somebody else removed it")

    def see_end(self) -> None:
        """Wait for the check that finds the fault no longer live, at most two seconds past the deadline.

        A fault that holds packets back may take as much longer as the last of them needs.
        """
        limit = max(clock(), self.deadline or 0.0) + _END_LIMIT + self.site.steps.drains
        while self.ended is None and clock() < limit:
            if self._state() in (State.INERT, State.ABSENT):
                self.ended, self.ended_how = clock(), "deadline"
            else:
                threading.Event().wait(_PAUSE)
        if self.ended is None:
            self.errors.append(
                f"it was not seen to end within {_END_LIMIT + self.site.steps.drains:g} s of its deadline"
            )

    def see_undone(self) -> None:
        """Note that the fault was ended by undoing it."""
        if self.committed and self.ended is None:
            self.ended, self.ended_how = clock(), "undone"

    def look_after(self) -> None:
        """Look until the effect is gone, for at most thirty seconds."""
        limit = clock() + _HEAL_LIMIT
        self.after = self._look()
        while self.after.sight is not Sight.ABSENT and clock() < limit:
            threading.Event().wait(_PAUSE)
            self.after = self._look()

    def read_count(self) -> None:
        """Read how often the workload met the fault; what cannot be read stays unknown."""
        if (count := self.site.steps.count) is None:
            return
        try:
            found = re.search(count.pattern, self.at.run(count.command))
        except ChaosctlError as error:
            self.errors.append(error.message)
        else:
            self.hits = int(found[1]) if found else None

    def account(self) -> dict[str, Any]:
        """Return all that happened here, in the shape of reports.record.TargetRecord."""
        looks = {"before": self.before, "during": self.during, "after": self.after}
        return {
            "target": self.at.name,
            "committed": self.committed,
            "deadline": self.deadline,
            "effective": self.effective,
            "ended": self.ended,
            "healed": self.healed,
            "ended_how": self.ended_how if self.ended_how != "early" else "unknown",
            "hits": self.hits,
            "looks": [{"phase": phase, **vars(look)} for phase, look in looks.items() if look],
            "error": "; ".join(dict.fromkeys(self.errors)),
        }

    def _state(self) -> State | None:
        """Return what is here now; None where that cannot be told, which is no reason to give up on the fault."""
        try:
            return ledger.state(self.site)
        except ChaosctlError:
            return None

    def _look(self) -> Look:
        """Look once; a look that cannot be had shows nothing, and says why."""
        asked = clock()
        try:
            return self._probe(self.at, self.before, **self._arguments)
        except ChaosctlError as error:
            return Look(asked, clock(), Sight.UNCLEAR, error.message)
