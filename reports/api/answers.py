"""Idempotency keys: the same request again is answered as the first time, and does nothing."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b, sha256
from http import HTTPStatus
from typing import TypeVar

from sqlalchemy import Connection, delete, insert, select

from reports.api.problems import FieldError, Problem
from reports.connect import reaching, writing
from reports.store import Store
from reports.tables import answers
from runner.model import clock

__all__ = ["KEPT_SECONDS", "Answer", "Answers", "digest"]

_T = TypeVar("_T")
KEPT_SECONDS = 86400.0
_HEADER = "Idempotency-Key"
_LONGEST = 255
_SWEEP_EVERY = 500


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    body: bytes
    replayed: bool = False


def digest(*parts: bytes) -> str:
    """Return what tells one request from another."""
    return sha256(b"\0".join(sha256(part).digest() for part in parts)).hexdigest()


class Answers:
    """What was answered, committed together with what it answered for: a server that dies leaves both or neither."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._guard = threading.Lock()
        self._busy: set[tuple[str, str]] = set()
        self._one_writer = threading.Lock() if store.engine.dialect.name == "sqlite" else None
        self._given = 0

    def once(self, token: str, key: str, request_hash: str, work: Callable[[Connection], Answer]) -> Answer:
        """Do the work in a transaction and return its answer, or the one that was given to the same request before.

        Raises Problem 409 while the same key is being worked on, 422 where it was used for another request.
        """
        if not key:
            return self.written(work)
        if len(key) > _LONGEST or not key.isprintable():
            raise _wrong(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", f"should be 1 to {_LONGEST} printable characters")
        with self._guard:
            if (token, key) in self._busy:
                raise _concurrent()
            self._busy.add((token, key))
        try:
            return self.written(lambda connection: _once(connection, (token, key), request_hash, work))
        finally:
            with self._guard:
                self._busy.discard((token, key))

    def written(self, work: Callable[[Connection], _T]) -> _T:
        """Run work in a writing transaction; SQLite has one writer, and to wait for a lock beats asking again."""
        if self._one_writer is None:
            return self._transaction(work)
        with self._one_writer:
            return self._transaction(work)

    def _transaction(self, work: Callable[[Connection], _T]) -> _T:
        with reaching(self._store.place), writing(self._store.engine) as connection:
            self._given += 1
            if self._given % _SWEEP_EVERY == 1:
                connection.execute(delete(answers).where(answers.c.made < clock() - KEPT_SECONDS))
            return work(connection)


def _once(
    connection: Connection, name: tuple[str, str], request_hash: str, work: Callable[[Connection], Answer]
) -> Answer:
    if not _locked(connection, name):
        raise _concurrent()
    query = select(answers).where(answers.c.token == name[0], answers.c.key == name[1])
    found = connection.execute(query).one_or_none()
    if found and found.made >= clock() - KEPT_SECONDS:
        if found.request_hash != request_hash:
            raise _wrong(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", "was used for another request; take a new one")
        return Answer(found.status, found.body, replayed=True)
    if found:
        connection.execute(delete(answers).where(answers.c.token == name[0], answers.c.key == name[1]))
    answer = work(connection)
    row = {"token": name[0], "key": name[1], "request_hash": request_hash, "status": answer.status}
    connection.execute(insert(answers).values(row | {"body": answer.body, "made": clock()}))
    return answer


def _locked(connection: Connection, name: tuple[str, str]) -> bool:
    """Whether nobody else works on this key: other server processes are seen by an advisory lock of PostgreSQL."""
    if connection.dialect.name != "postgresql":
        return True
    number = int.from_bytes(blake2b("\0".join(name).encode(), digest_size=8).digest(), signed=True)
    return bool(connection.exec_driver_sql("SELECT pg_try_advisory_xact_lock(%s)", (number,)).scalar())


def _concurrent() -> Problem:
    return _wrong(HTTPStatus.CONFLICT, "key-in-use", "is being worked on in another request; try again in a moment")


def _wrong(status: HTTPStatus, kind: str, message: str) -> Problem:
    error = FieldError(field=_HEADER, message=message)
    return Problem(status, kind, f"{_HEADER} {message}.", [error], {"Retry-After": "1"} if status == 409 else None)
