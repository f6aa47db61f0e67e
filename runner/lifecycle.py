"""A fault from the first look to the last: look, ledger, inject, look, wait, look, undo.

Nothing here ends a fault that is in place: what ends it lives at the target. This only ends it earlier, sees that it
ended, and removes what is left.
"""

import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from runner import ledger
from runner.course import Course, too_few
from runner.errors import Aborted, ChaosctlError, Residue
from runner.fault import Fault
from runner.guardrails import Admission, Ruling
from runner.heeding import Heeding
from runner.holding import Hold
from runner.ledger import Entry
from runner.model import clock, iso
from runner.newcomers import Newcomers
from runner.origin import owner
from runner.parameters import parameters
from runner.plan import Plan, plan
from runner.progress import tell
from runner.selection import Selection
from runner.targets import Target
from runner.together import each

__all__ = ["Injection", "action", "failures", "heeding", "injections", "stopping"]

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

    `tell` is called with a word and a sentence at each step: before, armed, effective, achieved, healed.
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
        self._hold = Hold()
        self._given_up: set[str] = set()
        what = planned.selected.targets, planned.sentence, planned.chosen
        self._admission = Admission(self.id, planned.fault, *what)
        self._newcomers = Newcomers(self._admission.rule, self._admit)

    def start(self) -> None:
        """Look, note it in the ledger, inject, and look again; returns once the effect is proven.

        A target where one of these cannot be had is given up and undone; the fault goes on as long as enough are left,
        by default all of them. Raises Inconclusive where it cannot be seen without the fault or did not show with it,
        Aborted when stopped; whatever was done is undone by then.
        """
        self._hold.take()
        try:
            self._admission.begin()
            self._look_before()
            self._newcomers.watch(self.plan.selected.arrivals)
            self._may_go_on()
            self._commit()
            self._may_go_on()
            self._prove()
            self._may_go_on()
            self._newcomers.start(self.deadline, self._given_up)
        except BaseException:
            self.stop.set()
            self.finish()
            if self._entry is None:
                self._admission.give_up()
            raise

    def wait(self) -> None:
        """Wait until the deadline has passed everywhere or `stop` is set, watching that the fault stays in place.

        Where somebody else has removed it everywhere, there is nothing left to wait for.
        """
        while not self.stop.is_set() and (left := self.deadline - clock()) > 0:
            if not self.stop.wait(min(left, _WATCH_EVERY)):
                each(Course.watch, self.going)
            if all(course.ended for course in self.going):
                return

    def finish(self) -> None:
        """End what has not ended, see the effect gone, read the counts, undo, and close the ledger's entry.

        Raises Residue where something could not be undone; can be called again, and from any thread.
        """
        self._newcomers.stop()
        try:
            self._finish()
        finally:
            self._hold.end()

    def _finish(self) -> None:
        with self._finishing:
            if self.finished:
                return
            each(Course.stop_acting, self.courses)
            if self._entry is None:
                each(Course.leave, self.courses)
                return
            touched = [course for course in self.courses if course.touched]
            if self.stop.is_set():
                each(Course.read_count, touched)
                ledger.undo(self._entry)
                each(Course.see_undone, touched)
                each(Course.look_after, touched)
            else:
                each(Course.see_end, self.going)
                each(Course.conclude, self.going)
                each(Course.look_after, touched)
                each(Course.read_count, self.going)
                ledger.undo(self._entry)
            each(Course.leave, self.courses)
            self.finished = True
            self._admission.end()
        if any(course.achieved for course in self.going):
            self._tell("achieved", self._shown("achieved"))
        self._tell("healed" if self.healed else "unclear", self._shown("after"))

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What guardrails have decided so far."""
        return (*self.plan.rulings, *self._admission.rulings)

    @property
    def going(self) -> list[Course]:
        """The targets that were not given up."""
        return [course for course in self.courses if not course.failure]

    @property
    def deadline(self) -> float:
        """When the fault has ended by itself at every target, seconds since the epoch; now where it never began."""
        return max((course.deadline for course in self.courses if course.deadline), default=clock())

    @property
    def healed(self) -> bool:
        """Whether an independent look saw it gone again at every target that was not given up."""
        return bool(self.going) and all(course.healed for course in self.going)

    @property
    def hits(self) -> int | None:
        """How often the workload met the fault, all targets together; None where that is not known."""
        counts = [course.hits for course in self.courses if course.hits is not None]
        return sum(counts) if counts else None

    def account(self) -> dict[str, Any]:
        """Return all that happened, in the shape of reports.record.FaultRecord."""
        fault = self.plan.fault
        notes = [note for course in self.courses for note in course.steps.notes]
        return {
            "id": self.id,
            "name": fault.name,
            "parameters": {known.name: getattr(fault, known.name) for known in parameters(type(fault))},
            "sentence": self.plan.sentence,
            "ends_by": fault.ends_by,
            "duration": self.plan.seconds,
            "at_least": self.plan.needed,
            "targets": [course.account() for course in self.courses],
            "shares": [vars(share) for share in self.plan.selected.shares],
            "notes": list(dict.fromkeys([*notes, *self.plan.selected.notes, *self._newcomers.notes])),
        }

    def _look_before(self) -> None:
        planned = self.plan
        self.courses = tuple(Course(planned.fault, at, self.id, planned.seconds) for at in planned.selected.targets)
        self._attempt(Course.look_before)
        self._tell("before", self._shown("before"))

    def _commit(self) -> None:
        now = clock()
        entry = Entry(
            id=self.id,
            fault=self.plan.fault.name,
            sentence=self.plan.sentence,
            environment=self.plan.environment,
            owner=owner(),
            started=now,
            deadline=now + self.plan.seconds,
            sites=tuple(course.site for course in self.going if course.site),
        )
        with ledger.locked(self.id) as lock:
            ledger.write(entry)
            self._entry = entry
            each(lambda course: course.attempt(lambda at: at.inject(lock)), self.going)
            self._entry = replace(entry, deadline=self.deadline)
            ledger.write(self._entry)
        self._give_up()
        self._tell("armed", f"ends by itself at {iso(self.deadline)} ({self.plan.fault.ends_by})")

    def _prove(self) -> None:
        self._attempt(lambda course: course.look_during(self.stop))
        self._tell("effective", self._shown("during"))

    def _admit(self, at: Target, seconds: float) -> Course:
        """Give the fault to one more target; raises what keeps it from being had there, and undoes it."""
        self._admission.join(at)
        course = Course(self.plan.fault, at, self.id, seconds)
        course.look_before()
        assert self._entry  # noqa: S101 - the fault is in place
        assert course.site  # noqa: S101 - it was looked at
        with ledger.locked(self.id) as lock:
            self._entry = replace(self._entry, sites=(*self._entry.sites, course.site))
            ledger.write(self._entry)
            course.inject(lock)
        course.attempt(lambda here: here.look_during(self.stop))
        self.courses = (*self.courses, course)
        self._tell("joined", f"{at.name}: {course.during.detail if course.during else 'nobody looked'}")
        return course

    def _attempt(self, work: Callable[[Course], None]) -> None:
        """Do something at all targets, and go on without those where it could not be done."""
        each(lambda course: course.attempt(work), self.going)
        self._give_up()

    def _give_up(self) -> None:
        """Undo the fault where it went wrong; raises why that was where too few targets are left."""
        failed = [course for course in self.courses if course.failure and course.at.name not in self._given_up]
        if not failed:
            return
        if len(self.going) < self.plan.needed:
            raise too_few(self.courses, self.plan.needed)
        for course in failed:
            self._given_up.add(course.at.name)
            self._tell("left out", f"{course.at.name}: {course.failure}")
            course.stop_acting()
            if self._entry and course.touched and course.site:
                try:
                    ledger.undo_at(self._entry, course.site)
                except Residue as error:  # tried again, and raised, when the fault ends
                    course.errors.append(error.message)
                else:
                    course.see_undone()

    def _may_go_on(self) -> None:
        if self.stop.is_set():
            raise Aborted(f"{self.plan.fault.name} was stopped before it was proven.", "Nothing of it is left.")

    def _shown(self, phase: str) -> str:
        """Return what the first target saw, and how many others there are."""
        courses = self.going or self.courses
        look = getattr(courses[0], phase)
        others = f" (and {len(courses) - 1} more)" if len(courses) > 1 else ""
        return f"{look.detail}{others}" if look else "nobody looked"


heeding = Heeding(injections, stopping, failures)  # until a run, which watches for a halt by itself, takes over


def action(declared: type[Fault]) -> Callable[..., dict[str, Any]]:
    """Return the Chaos Toolkit action of a fault: it returns once the effect is proven.

    Its arguments are the fault's parameters, those of Selection, and `duration`. The fault ends at its deadline; the
    control `runner.control` waits for that, sees it gone and removes what is left.
    """

    def act(**arguments: Any) -> dict[str, Any]:
        try:
            injection = Injection(plan(declared, arguments), stopping, tell)
            injections.append(injection)
            heeding.begin(injection.plan.chosen)
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
