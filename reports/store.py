"""The store: a row for each run from its start on, and one immutable record for each that ended."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Select, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from reports.connect import connect, reaching, writing
from reports.place import resolved, without_password
from reports.record import Record, Start
from reports.tables import record_faults, records, runs
from reports.verdict import judged
from runner.errors import ChaosctlError, UsageError

__all__ = ["Row", "Store", "open_store"]

_SHOWN = (
    *runs.c,
    *(records.c[name] for name in ("address", "kind", "service", "verdict", "exit_code", "score", "formula")),
)


@dataclass(frozen=True)
class Row:
    """One run as a list shows it; what only a record knows is None where the run never ended."""

    run: str
    title: str
    path: str
    experiment_hash: str
    environment: str
    user: str
    host: str
    started: float
    ended: float | None
    address: str | None
    kind: str | None
    service: str | None
    verdict: str | None
    exit_code: int | None
    score: float | None
    formula: str | None
    faults: tuple[str, ...]


@contextmanager
def open_store(store_url: str = "") -> Iterator["Store"]:
    """Yield the store, by default the SQLite file in the state directory; raises as reports.connect.connect."""
    store = Store(connect(store_url), without_password(resolved(store_url)))
    try:
        yield store
    finally:
        store.engine.dispose()


class Store:
    """An open store; `place` is its URL without a password. Its methods raise Unreachable where it does not answer."""

    def __init__(self, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place

    def begin(self, start: Start) -> None:
        """Note that a run has begun; one that is known already stays as it is."""
        with reaching(self.place):
            try:
                with writing(self.engine) as connection:
                    connection.execute(insert(runs).values(_run_row(start)))
            except IntegrityError:
                return

    def keep(self, record: Record) -> bool:
        """Keep a record, judged; returns False where the very same one is there already.

        Raises ChaosctlError where the run has another record: a record is never replaced.
        """
        whole = judged(record)
        with reaching(self.place):
            try:
                return self._keep(whole)
            except IntegrityError:  # PostgreSQL takes no lock between the look and the insert: another one was faster
                return self._keep(whole)

    def rows(self, limit: int, service: str = "", verdict: str = "", experiment: str = "") -> list[Row]:
        """Return the latest runs first; `experiment` is part of a title, a path, or the beginning of a hash."""
        query = select(*_SHOWN).select_from(runs.outerjoin(records, records.c.run == runs.c.run))
        query = query.where(records.c.service == service) if service else query
        query = query.where(records.c.verdict == verdict) if verdict else query
        query = query.where(_of_experiment(experiment)) if experiment else query
        query = query.order_by(runs.c.started.desc(), runs.c.run).limit(limit)
        with reaching(self.place), self.engine.begin() as connection:
            return _rows(connection, query)

    def find(self, written: str) -> str:
        """Return the run that `last` or the beginning of its id names; raises UsageError where that is not one run."""
        latest = select(runs.c.run).order_by(runs.c.started.desc(), runs.c.run)
        named = latest if written == "last" else latest.where(runs.c.run.startswith(written, autoescape=True))
        with reaching(self.place), self.engine.begin() as connection:
            found = list(connection.scalars(named.limit(5)))
        if not found:
            raise UsageError(
                f"No run in {self.place} is named {written!r}.", "chaosctl report list shows those there are."
            )
        if len(found) > 1 and written != "last" and written not in found:
            raise UsageError(
                f"{written!r} is the beginning of several runs: {', '.join(found)}.", "Write more of the one you mean."
            )
        return written if written in found else found[0]

    def recorded(self) -> list[str]:
        """Return the runs that have a record, in the order they started."""
        query = select(runs.c.run).join(records, records.c.run == runs.c.run).order_by(runs.c.started, runs.c.run)
        with reaching(self.place), self.engine.begin() as connection:
            return list(connection.scalars(query))

    def record(self, run: str) -> Record:
        """Return the record of a run; raises UsageError where it never ended, ChaosctlError where it is damaged."""
        query = select(records.c.address, records.c.body).where(records.c.run == run)
        with reaching(self.place), self.engine.begin() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            raise UsageError(
                f"Run {run} was started and never ended, so there is no record of it.",
                "It is still running, or was killed; chaosctl faults shows whether it left anything.",
            )
        return _unpacked(run, found.address, found.body)

    def _keep(self, record: Record) -> bool:
        body, address = record.canonical(), record.address()
        with writing(self.engine) as connection:
            present = connection.scalar(select(records.c.address).where(records.c.run == record.run))
            if present == address:
                return False
            if present:
                raise ChaosctlError(
                    f"Run {record.run} has another record in {self.place}: {present[:12]}, not {address[:12]}.",
                    "A record is never replaced. This one was not stored.",
                )
            _insert(connection, record, address, body)
        return True


def _insert(connection: Connection, record: Record, address: str, body: bytes) -> None:
    begun = Start(run=record.run, experiment=record.experiment, origin=record.origin, started=record.started)
    if _known(connection, record.run):
        connection.execute(update(runs).where(runs.c.run == record.run).values(ended=record.ended))
    else:
        connection.execute(insert(runs).values(_run_row(begun) | {"ended": record.ended}))
    connection.execute(insert(records).values(_record_row(record) | {"address": address, "body": zlib.compress(body)}))
    for fault in sorted({fault.name for fault in record.faults}):
        connection.execute(insert(record_faults).values(address=address, fault=fault))


def _known(connection: Connection, run: str) -> bool:
    return connection.scalar(select(runs.c.run).where(runs.c.run == run)) is not None


def _run_row(start: Start) -> dict[str, Any]:
    return {
        "run": start.run,
        "title": start.experiment.title,
        "path": start.experiment.path,
        "experiment_hash": start.experiment.hash,
        "environment": start.origin.environment,
        "user": start.origin.user,
        "host": start.origin.host,
        "started": start.started,
    }


def _record_row(record: Record) -> dict[str, Any]:
    judgement = record.judgement
    assert judgement is not None  # noqa: S101 - keep() judges what was not judged
    return {
        "run": record.run,
        "kind": record.kind,
        "service": record.promise.service,
        "verdict": judgement.verdict.value,
        "exit_code": judgement.exit_code,
        "score": judgement.score,
        "formula": judgement.formula,
    }


def _of_experiment(written: str) -> Any:
    return or_(
        runs.c.title.icontains(written, autoescape=True),
        runs.c.path == written,
        runs.c.experiment_hash.startswith(written, autoescape=True),
    )


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    shown = select(query.with_only_columns(records.c.address).subquery().c.address)
    wanted = select(record_faults).where(record_faults.c.address.in_(shown)).order_by(record_faults.c.fault)
    faults: dict[str | None, tuple[str, ...]] = {}
    for address, fault in connection.execute(wanted):
        faults[address] = (*faults.get(address, ()), fault)
    return [
        Row(**{str(column): value for column, value in row.items()}, faults=faults.get(row["address"], ()))
        for row in connection.execute(query).mappings()
    ]


def _unpacked(run: str, address: str, body: bytes) -> Record:
    try:
        content = zlib.decompress(body)
        if sha256(content).hexdigest() != address:
            raise ChaosctlError(
                f"The record of run {run} is not the one that was stored: it does not match {address[:12]}.",
                "Do not trust it. Restore the store from a backup, or delete the run.",
            )
        return Record.model_validate_json(content)
    except (zlib.error, ValidationError) as error:
        raise ChaosctlError(
            f"The record of run {run} cannot be read by this version of chaosctl: {error}.",
            "Read it with the version that wrote it, or restore the store from a backup.",
        ) from error
