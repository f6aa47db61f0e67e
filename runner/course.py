"""How one fault goes at one target: look, inject, look, watch, end, look."""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from runner import ledger
from runner.acting import Acting
from runner.errors import ChaosctlError, Gone, Inconclusive
from runner.fault import Fault
from runner.ledger import Site
from runner.model import EndsBy, Look, ProbeCall, Sight, State, Steps, clock
from runner.targets import Target, is_same, reach

__all__ = ["Course", "too_few"]

_ARM_LIMIT = 30.0
"""Arming starts a guardian at the target, which a busy machine may take long over; nothing is at fault until then."""
_END_LIMIT = 2.0
_HEAL_LIMIT = 30.0
_PAUSE = 0.05
_TICK = 0.02
"""Kernel timers may be early by as much as one tick: 10 ms at 100 Hz."""


class Course:
    """One fault at one target; moments are seconds since the epoch, None until seen.

    `failure` says why the target was given up, where it was.
    """

    def __init__(self, fault: Fault, at: Target, fault_id: str, seconds: float) -> None:
        self.at = at
        self.site: Site | None = None
        self.failure: ChaosctlError | None = None
        self.before: Look | None = None
        self.during: Look | None = None
        self.after: Look | None = None
        self.achieved: Look | None = None
        self.committed: float | None = None
        self.ended: float | None = None
        self.ended_how = "unknown"
        self.hits: int | None = None
        self.errors: list[str] = []
        self._fault = fault
        self._fault_id = fault_id
        self._lasts = fault.ends_by is not EndsBy.ONE_SHOT
        self._asked = seconds
        self._seconds = seconds if self._lasts else 0.0
        self._sent: float | None = None
        self._proof = ProbeCall("")
        self._acting = Acting(fault, at, self.errors, lambda: self._state() in (State.INERT, State.ABSENT))

    @property
    def steps(self) -> Steps:
        """What is done at this target; nothing before it was approached."""
        return self.site.steps if self.site else Steps((), (), ())

    @property
    def touched(self) -> bool:
        """Whether a command of the fault was sent there."""
        return self._sent is not None

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

    def attempt(self, work: Callable[["Course"], None]) -> None:
        """Do something here; where that cannot be had, give the target up instead of raising."""
        try:
            work(self)
        except ChaosctlError as error:
            self.failure = error

    def look_before(self) -> None:
        """Plan the fault here, and see the target without it.

        Raises Inconclusive where it does not look so, Refused where what was seen forbids the fault.
        """
        self._proof = self._fault.proof(self.at)
        self.site = Site(
            self.at.name, self._fault.identity(self.at), self._fault.steps(self.at, self._fault_id, self._asked)
        )
        self._acting.open(self._proof)
        self.before = self._look()
        self._fault.heed(self.before)
        if self.before.sight is not Sight.ABSENT:
            raise Inconclusive(
                f"Before the fault, {self.at.name} does not look as it should: {self.before.detail}. "
                "Nothing was injected.",
                "A fault is proven by the difference it makes: see that it works there without one first.",
            )

    def inject(self, lock: int) -> None:
        """Run the injecting commands; they hold the ledger's lock as long as they live."""
        self._sent = clock()
        for command in self.steps.inject:
            self.at.run(command, _ARM_LIMIT, pass_fds=(lock,))
        self.committed = clock()
        self._acting.begin(self._fault_id, self.committed, self.committed + self._seconds)

    def look_during(self, stop: threading.Event) -> None:
        """Look until the fault is seen, for at most as long as its proof may take and never past the deadline.

        Raises Inconclusive where it never is, unless stopped.
        """
        limit = clock() + self._proof.patience
        if self._lasts:
            limit = min(limit, self.deadline or 0.0)
        self.during = self._look()
        while self.during.sight is not Sight.PRESENT and clock() < limit and not stop.wait(_PAUSE):
            self.during = self._look()
        if not self.effective and not stop.is_set():
            raise Inconclusive(
                f"The fault did not show at {self.at.name}: {self.during.detail}. It was undone.",
                "Without its proof a fault counts for nothing; `chaosctl doctor` checks what it needs.",
            )

    def watch(self) -> None:
        """See whether the fault is still in place before its deadline; note when it is not.

        The target counts from a moment between sending the command and hearing of its end, so only what ended before
        the earliest possible deadline ended early.
        """
        if not self._lasts or self.ended is not None or self._sent is None:
            return
        if self._state() not in (State.INERT, State.ABSENT):
            return
        if self._is_gone():
            self.ended, self.ended_how = clock(), "gone"
        elif (now := clock()) < self._sent + self._seconds - _TICK:
            self.ended, self.ended_how = now, "early"
            self.errors.append("it was gone before its deadline: somebody else removed it")

    def stop_acting(self) -> None:
        """Stop what the fault does all the while; nothing of it is under way any more."""
        self._acting.stop()

    def conclude(self) -> None:
        """Hold what a fault that was watched all the while came to against what it promised.

        That is until its deadline: its end may have been seen much later, as where nobody could look.
        """
        if self.committed and self.ended:
            self.achieved = self._acting.achieved(self.committed, min(self.ended, self.committed + self._seconds))
        if self.achieved and self.achieved.sight is not Sight.PRESENT:
            self.errors.append(f"it did not come to what was asked for: {self.achieved.detail}")

    def leave(self) -> None:
        """End what looked all the while."""
        self._acting.close()

    def see_end(self) -> None:
        """Wait for the check that finds the fault no longer live, at most two seconds past the deadline.

        A fault that holds packets back may take as much longer as the last of them needs.
        """
        limit = max(clock(), self.deadline or 0.0) + _END_LIMIT + self.steps.drains
        while self.ended is None and clock() < limit:
            if self._state() in (State.INERT, State.ABSENT):
                self.ended, self.ended_how = clock(), "deadline"
            else:
                threading.Event().wait(_PAUSE)
        if self.ended is None:
            self.errors.append(f"it was not seen to end within {_END_LIMIT + self.steps.drains:g} s of its deadline")

    def see_undone(self) -> None:
        """Note that the fault was ended by undoing it."""
        if self.committed and self.ended is None:
            self.ended, self.ended_how = clock(), "undone"

    def look_after(self) -> None:
        """Look until the effect is gone: for thirty seconds or the proof's own patience, whichever is longer.

        For what ended at once, as long as was asked; what somebody else ended may stay as they want it.

        Where the target itself is gone, the fault in it is: what has its name now is another.
        """
        if self.ended_how == "gone" or (self._lasts and self._is_gone()):
            now = clock()
            self.ended, self.ended_how = self.ended or now, "gone"
            self.after = Look(now, now, Sight.ABSENT, f"{self.at.name} itself is gone, and the fault with it")
            return
        patience = _HEAL_LIMIT if self.ended_how == "early" else max(_HEAL_LIMIT, self._proof.patience)
        limit = clock() + (patience if self._lasts else self._asked)
        if not self._lasts:
            self._proof = replace(self._proof, arguments={**self._proof.arguments, "after": True})
        self.after = self._look()
        while self.after.sight is not Sight.ABSENT and clock() < limit:
            threading.Event().wait(_PAUSE)
            self.after = self._look()

    def read_count(self) -> None:
        """Read how often the workload met the fault; what cannot be read stays unknown."""
        if (count := self.steps.count) is None:
            self.hits = self.achieved.evidence.get("hits") if self.achieved else None
            return
        try:
            found = re.search(count.pattern, self.at.run(count.command))
        except ChaosctlError as error:
            self.errors.append(error.message)
        else:
            self.hits = int(found[1]) if found else None

    def account(self) -> dict[str, Any]:
        """Return all that happened here, in the shape of reports.record.TargetRecord."""
        errors = [*self.errors, *([self.failure.message] if self.failure else [])]
        looks = [("before", self.before), ("during", self.during), ("during", self.achieved), ("after", self.after)]
        return {
            "target": self.at.name,
            "committed": self.committed,
            "deadline": self.deadline,
            "effective": self.effective,
            "ended": self.ended,
            "healed": self.healed,
            "ended_how": self.ended_how if self.ended_how != "early" else "unknown",
            "hits": self.hits,
            "looks": [{"phase": phase, **vars(look)} for phase, look in looks if look],
            "error": "; ".join(dict.fromkeys(errors)),
        }

    def _is_gone(self) -> bool:
        """Return whether the target is no more, or another of its name is there; where it does not say, it is not."""
        if self.site is None:
            return False
        try:
            return not is_same(reach(self.site.target), self.site.identity)
        except Gone:
            return True
        except ChaosctlError:
            return False

    def _state(self) -> State | None:
        """Return what is here now; None where that cannot be told, which is no reason to give up on the fault."""
        try:
            return ledger.state(self.site) if self.site else None
        except ChaosctlError:
            return None

    def _look(self) -> Look:
        """Look once; a look that cannot be had shows nothing, and says why."""
        asked = clock()
        try:
            return self._acting.look(self._proof, self.before)
        except ChaosctlError as error:
            return Look(asked, clock(), Sight.UNCLEAR, error.message)


def too_few(courses: Sequence[Course], needed: int) -> ChaosctlError:
    """Return why the fault cannot go on: what went wrong at the first target, and how many others there are."""
    failures = [course.failure for course in courses if course.failure]
    first, total = failures[0], len(courses)
    if needed == total:
        others = f" So it is with {len(failures) - 1} of the other targets." if failures[1:] else ""
        first.message += others
        return first
    return Inconclusive(
        f"{len(failures)} of {total} targets had to be given up, and {needed} are needed. The first: {first.message}",
        f"{first.fix} Or ask for fewer with --at-least.".strip(),
    )
