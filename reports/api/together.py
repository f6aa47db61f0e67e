"""Single runs are taken by one thread: all that wait are judged, and written in one transaction, with one commit.

Threads of their own would spend more on handing the interpreter to each other than on a run.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from reports.api.answers import Answers
from reports.inserting import Kept, insert_packed
from reports.packing import Packed
from reports.tokens import Token, note_all, noted
from runner.errors import Unreachable

__all__ = ["Known", "Ready", "Together"]

_MOST = 64
"""So many at most have one commit, so that the first of them does not wait for ever."""

_GRACE_SECONDS = 10.0

Known = dict[str, Token | None]
"""Tokens by what was presented, for those who ask at the same time."""


class Ready(NamedTuple):
    """A run that can be stored, and who sent it, with what token and from where."""

    one: Packed
    token: Token
    origin: str


@dataclass(eq=False)
class _Entry:
    prepare: Callable[[Known], Ready]
    told: "asyncio.Future[tuple[Ready, Kept]]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    outcome: tuple[Ready, Kept] | BaseException | None = None

    def hand_over(self) -> None:
        """Wake whoever waits for the outcome; called in their loop."""
        if self.told.done():
            return
        if isinstance(self.outcome, BaseException):
            self.told.set_exception(self.outcome)
        elif self.outcome:
            self.told.set_result(self.outcome)


class Together:
    """The thread that takes single runs, from the first one on; `close` lets it end with those that wait."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._change = threading.Condition()
        self._waiting: list[_Entry] = []
        self._over = False
        self._thread: threading.Thread | None = None

    async def put(self, prepare: Callable[[Known], Ready]) -> tuple[Ready, Kept]:
        """Store the run that `prepare` returns, with its audit; returns both once that is committed.

        Raises what `prepare` raises, which is called in the thread, and Unreachable.
        """
        entry = _Entry(prepare)
        with self._change:
            if self._over:
                raise Unreachable("The server is ending.")
            self._waiting.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="together", daemon=True)
                self._thread.start()
            self._change.notify()
        return await entry.told

    def close(self) -> None:
        """End after those that wait, or without them where the store hangs: none of them was told that it is stored."""
        with self._change:
            self._over = True
            self._change.notify()
        if self._thread:
            self._thread.join(_GRACE_SECONDS)

    def _work(self) -> None:
        while entries := self._next():
            try:
                self._take(entries)
            except BaseException as error:  # noqa: BLE001 - whoever waits is told, and raises it
                _fail([entry for entry in entries if entry.outcome is None], error)
                _tell(entries)

    def _next(self) -> list[_Entry]:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._over)
            chosen, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
        return chosen

    def _take(self, entries: Sequence[_Entry]) -> None:
        """Store what can be; raises Unreachable where the store is away, for all whose outcome is open then."""
        ready = _prepared(entries)
        _tell(entries)
        while ready:
            first: dict[str, tuple[_Entry, Ready]] = {}
            for each in ready:
                first.setdefault(each[1].one.run, each)
            self._write(list(first.values()))
            _tell(entries)
            ready = [each for each in ready if each[0].outcome is None]

    def _write(self, ready: Sequence[tuple[_Entry, Ready]]) -> None:
        """Write runs; where one of several cannot be written for what is in it, each is written by itself."""
        try:
            kept = self._answers.written(lambda connection: _inserted(connection, [run for _, run in ready]))
        except Exception as error:
            if _away(error):
                raise
            if len(ready) == 1:
                _fail([ready[0][0]], error)
                return
            for each in ready:
                self._write([each])
        else:
            for entry, run in ready:
                entry.outcome = run, kept[run.one.run]


def _prepared(entries: Sequence[_Entry]) -> list[tuple[_Entry, Ready]]:
    """Return those that can be stored; raises Unreachable for the first that finds the store away."""
    known: Known = {}
    ready = []
    for entry in entries:
        try:
            ready.append((entry, entry.prepare(known)))
        except Unreachable:
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits is told, and raises it
            _fail([entry], error)
    return ready


def _away(error: Exception) -> bool:
    """Whether it is the store that fails, and not what it was given."""
    return isinstance(error, Unreachable) and not isinstance(error.__cause__, DataError | IntegrityError)


def _fail(entries: Sequence[_Entry], error: BaseException) -> None:
    for entry in entries:
        entry.outcome = error


def _tell(entries: Sequence[_Entry]) -> None:
    """Hand outcomes that are known to those who wait, in their loops, by one call each."""
    known = [entry for entry in entries if entry.outcome]
    for loop in {entry.told.get_loop() for entry in known}:
        with suppress(RuntimeError):  # a loop that is closed has nobody who waits
            loop.call_soon_threadsafe(_hand_over, [entry for entry in known if entry.told.get_loop() is loop])


def _hand_over(entries: Sequence[_Entry]) -> None:
    for entry in entries:
        entry.hand_over()


def _inserted(connection: Connection, ready: Sequence[Ready]) -> dict[str, Kept]:
    kept = insert_packed(connection, [run.one for run in ready])
    rows = [
        noted(run.token, run.origin, "ingest", run.one.run, kept[run.one.run].value)
        for run in ready
        if kept[run.one.run] is not Kept.CONFLICT
    ]
    note_all(connection, rows)
    return kept
