"""Single runs that arrive at the same time are written at once: one transaction, one commit, for all that wait."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from reports.api.answers import Answers
from reports.inserting import Kept, insert_packed
from reports.packing import Packed
from reports.tokens import Token, note_all, noted
from runner.errors import ChaosctlError

__all__ = ["Together"]


@dataclass(frozen=True)
class _Entry:
    one: Packed
    token: Token
    origin: str
    kept: "Future[Kept]" = field(default_factory=Future)


class Together:
    """Whoever has the turn writes for all that wait; the others find their run written when theirs comes."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: list[_Entry] = []

    def put(self, one: Packed, token: Token, origin: str) -> Kept:
        """Store a run with its audit, and return what became of it once that is committed; raises Unreachable."""
        entry = _Entry(one, token, origin)
        with self._guard:
            self._waiting.append(entry)
        with self._turn:
            while not entry.kept.done():
                self._write(self._next())
        return entry.kept.result()

    def _next(self) -> list[_Entry]:
        """Return the first entry of each run that waits; a second one of the same run has its turn after it."""
        with self._guard:
            first: dict[str, _Entry] = {}
            for entry in self._waiting:
                first.setdefault(entry.one.run, entry)
            chosen = list(first.values())
            self._waiting = [entry for entry in self._waiting if entry not in chosen]
        return chosen

    def _write(self, entries: Sequence[_Entry]) -> None:
        """Write entries; where the database refuses one of several for what is in it, each is written by itself."""
        try:
            kept = self._answers.written(lambda connection: _inserted(connection, entries))
        except ChaosctlError as error:
            if len(entries) > 1 and isinstance(error.__cause__, DataError | IntegrityError):
                for entry in entries:
                    self._write([entry])
                return
            _fail(entries, error)
        except BaseException as error:
            _fail(entries, error)
            raise
        else:
            for entry in entries:
                entry.kept.set_result(kept[entry.one.run])


def _fail(entries: Sequence[_Entry], error: BaseException) -> None:
    for entry in entries:
        entry.kept.set_exception(error)


def _inserted(connection: Connection, entries: Sequence[_Entry]) -> dict[str, Kept]:
    kept = insert_packed(connection, [entry.one for entry in entries])
    rows = [
        noted(entry.token, entry.origin, "ingest", entry.one.run, kept[entry.one.run].value)
        for entry in entries
        if kept[entry.one.run] is not Kept.CONFLICT
    ]
    note_all(connection, rows)
    return kept
