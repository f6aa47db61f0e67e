"""Opening the store: one engine, its pragmas, and the tables brought up to date."""

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from select import POLLIN, poll
from typing import Any

from sqlalchemy import Connection, Engine, column, create_engine, event, inspect, select, table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidatePoolError, NoSuchModuleError, SQLAlchemyError

from reports.place import resolved, without_password
from reports.tables import REVISION
from runner.errors import Missing, Unreachable, UsageError, in_one_line
from runner.paths import state_dir

__all__ = ["connect", "reaching", "return_to", "writing"]

_BUSY_SECONDS = 10.0
_LOCK_SECONDS = 30.0
_CONNECT_SECONDS = 5
_RESTED_SECONDS = 1.0
_WRITES, _USED = "chaosctl_writes", "chaosctl_used"
_UPGRADE_LOCK = 0x63686F73
_KINDS = "sqlite", "postgresql", "postgres"
_PLAIN = re.compile(r"^postgres(?:ql)?(?=://)")


def connect(store_url: str = "") -> Engine:
    """Return an engine for the store, its tables as this version knows them.

    Of several processes that open a new store at once only one may migrate it: SQLite is opened, set to WAL and
    upgraded under a file lock, PostgreSQL is upgraded under an advisory lock. Raises UsageError for a URL that names no
    store, Missing where its driver is not installed or a newer version wrote it, Unreachable where it does not answer.
    """
    url = resolved(store_url)
    engine = _engine(url)
    with reaching(url), _locked(engine), writing(engine) as connection:
        _bring_up_to_date(connection, url)
    return engine


def return_to(revision: str, store_url: str = "") -> None:
    """Take the tables back to an older revision, for going back to an older chaosctl; raises as connect() does."""
    from reports.pending import settle_within  # noqa: PLC0415 - it is about records, and this about tables
    from reports.upgrade import downgrade  # noqa: PLC0415 - alembic takes 0.3 s

    url = resolved(store_url)
    engine = _engine(url)
    try:
        with reaching(url), _locked(engine), writing(engine) as connection:
            _alone(connection)
            if _revision(connection) == REVISION:
                settle_within(connection)
            downgrade(connection, _revision(connection), revision, without_password(url))
    finally:
        engine.dispose()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that may write; SQLite takes its write lock at the beginning of it.

    A transaction that reads first and then writes fails at once where another wrote between, however long the timeout.
    """
    with engine.execution_options(**{_WRITES: True}).begin() as connection:
        yield connection


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn whatever the database says into Unreachable, with the store named without its password."""
    try:
        yield
    except (OSError, SQLAlchemyError) as error:
        raise Unreachable(
            f"The store {without_password(url)} cannot be used: {_cause(error)}",
            "See that it runs and that this user may write to it; --store names another.",
        ) from error


def _cause(error: OSError | SQLAlchemyError) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    said = str(error.orig if isinstance(error, DBAPIError) else error)
    cause = in_one_line(said.replace("\n\t", ". "))  # libpq's hints are indented
    return cause if cause.endswith(("?", ".")) else f"{cause}."


def _engine(url: str) -> Engine:
    try:
        if make_url(url).get_backend_name() not in _KINDS:
            raise ArgumentError("no store can be in that kind of database")  # noqa: TRY301 - told as any other below
        engine = create_engine(_PLAIN.sub("postgresql+psycopg", url), **_options(url))
    except ModuleNotFoundError as error:
        raise Missing(
            f"The store {without_password(url)} needs the Python package {error.name}, which is not installed.",
            f"Install it beside chaosctl: pip install {error.name}",
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise UsageError(
            f"{without_password(url)!r} is not the URL of a store.",
            "Write sqlite:////path/to/store.db or postgresql+psycopg://user@host/database.",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    else:
        event.listen(engine, "connect", _limit)
        event.listen(engine, "checkin", _put_back)
        event.listen(engine, "checkout", partial(_look_at, engine.dialect))
    return engine


def _options(url: str) -> dict[str, Any]:
    if make_url(url).get_backend_name() == "sqlite":
        return {"connect_args": {"timeout": _BUSY_SECONDS}}
    waits = {} if "connect_timeout" in make_url(url).query else {"connect_timeout": _CONNECT_SECONDS}
    return {"connect_args": waits}


def _limit(raw: Any, _record: Any) -> None:
    """Let nothing wait for ever: a lock somebody else holds is waited for as long as SQLite's."""
    with raw.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = '{_BUSY_SECONDS:g}s'")
        cursor.execute("SET statement_timeout = '60s'")
    raw.commit()


def _put_back(_raw: Any, record: Any) -> None:
    record.info[_USED] = time.monotonic()


def _look_at(dialect: Any, raw: Any, record: Any, _proxy: Any) -> None:
    """Ask a connection whether it lives before it is used again; one that was used just now and is silent does.

    A database that goes away says so on each connection, and to ask costs as much as a small query.
    """
    rested = time.monotonic() - record.info.get(_USED, time.monotonic())
    try:
        if rested > _RESTED_SECONDS or _has_news(raw.pgconn.socket):
            dialect.do_ping(raw)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError from error


def _has_news(handle: int) -> bool:
    found = poll()
    found.register(handle, POLLIN)
    return bool(found.poll(0))


def _prepare(raw: Any, _record: Any) -> None:
    """Let readers and a writer pass, and a commit outlive a power cut: the spool's copy goes once it is there."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        raw.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _locked(engine: Engine) -> Iterator[None]:
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    if not file:
        yield
        return
    if Path(file).parent == state_dir():
        state_dir().mkdir(parents=True, exist_ok=True)
    handle = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for(handle, f"{file}.lock")
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, name: str) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"another process has held {name} for {_LOCK_SECONDS:g} s") from error
            time.sleep(0.01)


def _bring_up_to_date(connection: Connection, url: str) -> None:
    found = _revision(connection)
    if found == REVISION:
        return
    from reports.upgrade import upgrade  # noqa: PLC0415 - alembic takes 0.3 s and is needed once

    _alone(connection)
    found = _revision(connection)
    if found != REVISION:
        upgrade(connection, found, without_password(url))


def _alone(connection: Connection) -> None:
    """Wait until nobody else migrates a PostgreSQL store, however long that takes; a file lock guards SQLite."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")


def _revision(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(select(column("version_num")).select_from(table("alembic_version"))) or ""
