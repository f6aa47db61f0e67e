"""A fault from the first look to the last: look, ledger, inject, look, wait, look, undo.

Nothing here ends a fault that is in place: what ends it lives at the target. This only ends it earlier, sees that it
ended, and removes what is left.
"""

import inspect
import os
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from runner import ledger
from runner.course import Course
from runner.errors import Aborted, ChaosctlError, Inconclusive
from runner.fault import Fault
from runner.ledger import Entry
from runner.model import Sight, clock, iso
from runner.origin import user
from runner.parameters import parameters
from runner.plan import Plan, plan
from runner.progress import tell
from runner.selection import Selection

__all__ = ["Injection", "action", "failures", "injections", "stopping"]

_AT_ONCE = 64
_WATCH_EVERY = 1.0
Tell = Callable[[str, str], None]

injections: list["Injection"] = []
"""What the actions of this process have injected; the Chaos Toolkit control sees each of them to its end."""

stopping = threading.Event()
"""Set to end all of them at once."""

failures: list[ChaosctlError] = []
"""Why actions of this process failed: Chaos Toolkit passes on no more than text."""


class Injection:
    """One fault at its targets: `start`, `wait`, `finish`. Setting `stop` at any time makes it end at once.

    `tell` is called with a word and a sentence at each step: before, armed, effective, healed, undone.
    """

    def __init__(self, planned: Plan, stop: threading.Event, tell: Tell) -> None:
        self.id = ledger.new_id()
        self.plan = planned
        self.stop = stop
        self.finished = False
        self.courses: Sequence[Course] = ()
        self._tell = tell
        self._entry: Entry | None = None
        self._finishing = threading.Lock()

    def start(self) -> None:
        """Look, note it in the ledger, inject, and look again; returns once the effect is proven at every target.

        Raises Inconclusive where it cannot be seen without the fault or did not show with it, Aborted when stopped;
        whatever was done is undone by then.
        """
        self._look_before()
        try:
            self._may_go_on()
            self._commit()
            self._may_go_on()
            self._prove()
            self._may_go_on()
        except BaseException:
            self.stop.set()
            self.finish()
            raise

    def wait(self) -> None:
        """Wait until the deadline has passed everywhere or `stop` is set, watching that the fault stays in place.

        Where somebody else has removed it everywhere, there is nothing left to wait for.
        """
        while not self.stop.is_set() and (left := self.deadline - clock()) > 0:
            if not self.stop.wait(min(left, _WATCH_EVERY)):
                self._each(Course.watch)
            if all(course.ended for course in self.courses):
                return

    def finish(self) -> None:
        """End what has not ended, see the effect gone, read the counts, undo, and close the ledger's entry.

        Raises Residue where something could not be undone; can be called again, and from any thread.
        """
        with self._finishing:
            if self.finished or self._entry is None:
                return
            if self.stop.is_set():
                self._each(Course.read_count)
                ledger.undo(self._entry)
                self._each(Course.see_undone)
                self._each(Course.look_after)
            else:
                self._each(Course.see_end)
                self._each(Course.look_after)
                self._each(Course.read_count)
                ledger.undo(self._entry)
            self.finished = True
        self._tell("healed" if self.healed else "unclear", self._shown("after"))

    @property
    def deadline(self) -> float:
        """When the fault has ended by itself at every target, seconds since the epoch; now where it never began."""
        return max((course.deadline for course in self.courses if course.deadline), default=clock())

    @property
    def healed(self) -> bool:
        """Whether an independent look saw it gone again at every target."""
        return bool(self.courses) and all(course.healed for course in self.courses)

    @property
    def hits(self) -> int | None:
        """How often the workload met the fault, all targets together; None where that is not known."""
        counts = [course.hits for course in self.courses if course.hits is not None]
        return sum(counts) if counts else None

    def account(self) -> dict[str, Any]:
        """Return all that happened, in the shape of reports.record.FaultRecord."""
        fault = self.plan.fault
        notes = [note for course in self.courses for note in course.site.steps.notes]
        return {
            "id": self.id,
            "name": fault.name,
            "parameters": {known.name: getattr(fault, known.name) for known in parameters(type(fault))},
            "sentence": self.plan.sentence,
            "ends_by": fault.ends_by,
            "duration": self.plan.seconds,
            "targets": [course.account() for course in self.courses],
            "notes": list(dict.fromkeys(notes)),
        }

    def _look_before(self) -> None:
        planned = self.plan
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            approach = pool.map(
                lambda at: Course(planned.fault, at, self.id, planned.seconds), planned.selected.targets
            )
            self.courses = tuple(approach)
        self._each(Course.look_before)
        odd = [course for course in self.courses if course.before and course.before.sight is not Sight.ABSENT]
        if odd:
            raise Inconclusive(
                f"Before the fault, {odd[0].at.name} does not look as it should: {self._shown('before', odd)}. "
                "Nothing was injected.",
                "A fault is proven by the difference it makes: see that it works there without one first.",
            )
        self._tell("before", self._shown("before"))

    def _commit(self) -> None:
        chosen, now = self.plan.chosen, clock()
        entry = Entry(
            id=self.id,
            fault=self.plan.fault.name,
            sentence=self.plan.sentence,
            environment=chosen.name if chosen else "",
            owner=f"{user()}@{socket.gethostname()} pid {os.getpid()}",
            started=now,
            deadline=now + self.plan.seconds,
            sites=tuple(course.site for course in self.courses),
        )
        with ledger.locked(self.id) as lock:
            ledger.write(entry)
            self._entry = entry
            self._each(lambda course: course.inject(lock))
            self._entry = replace(entry, deadline=self.deadline)
            ledger.write(self._entry)
        self._tell("armed", f"ends by itself at {iso(self.deadline)} ({self.plan.fault.ends_by})")

    def _prove(self) -> None:
        self._each(lambda course: course.look_during(self.stop))
        unproven = [course for course in self.courses if not course.effective]
        if unproven and not self.stop.is_set():
            raise Inconclusive(
                f"The fault did not show at {unproven[0].at.name}: {self._shown('during', unproven)}. It was undone.",
                "Without its proof a fault counts for nothing; `chaosctl doctor` checks what it needs.",
            )
        self._tell("effective", self._shown("during"))

    def _may_go_on(self) -> None:
        if self.stop.is_set():
            raise Aborted(f"{self.plan.fault.name} was stopped before it was proven.", "Nothing of it is left.")

    def _shown(self, phase: str, courses: Sequence[Course] = ()) -> str:
        """Return what the first of them saw, and how many others there are."""
        courses = courses or self.courses
        look = getattr(courses[0], phase)
        others = f" (and {len(courses) - 1} more)" if len(courses) > 1 else ""
        return f"{look.detail}{others}" if look else "nobody looked"

    def _each(self, work: Callable[[Course], None]) -> None:
        """Do something at all targets at once; every one is tried, then the first error is raised.

        A signal may raise here at any moment: what is under way comes to its end first, so that no command overtakes
        the undoing that follows.
        """
        pool = ThreadPoolExecutor(max_workers=_AT_ONCE)
        try:
            doing = [pool.submit(work, course) for course in self.courses]
            wait(doing)
        finally:
            pool.shutdown(cancel_futures=True)
        for done in doing:
            done.result()


def action(declared: type[Fault]) -> Callable[..., dict[str, Any]]:
    """Return the Chaos Toolkit action of a fault: it returns once the effect is proven.

    Its arguments are the fault's parameters, those of Selection, and `duration`. The fault ends at its deadline; the
    control `runner.control` waits for that, sees it gone and removes what is left.
    """

    def act(**arguments: Any) -> dict[str, Any]:
        try:
            injection = Injection(plan(declared, arguments), stopping, tell)
            injections.append(injection)
            injection.start()
        except ChaosctlError as error:
            failures.append(error)
            raise
        return {"id": injection.id, "sentence": injection.plan.sentence, "deadline": iso(injection.deadline)}

    known = (*parameters(declared), *parameters(Selection))
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    listed = [
        inspect.Parameter(p.name, kind, annotation=p.kind, default=inspect.Parameter.empty if p.required else p.default)
        for p in known
    ]
    listed.append(inspect.Parameter("duration", kind, annotation=str, default=""))
    ordered = sorted(listed, key=lambda parameter: parameter.default is not inspect.Parameter.empty)
    act.__name__ = act.__qualname__ = declared.name.replace("-", "_")
    act.__module__ = declared.__module__
    act.__doc__ = declared.__doc__
    act.__signature__ = inspect.Signature(ordered, return_annotation=dict[str, Any])  # type: ignore[attr-defined]
    return act
