"""The store: a row for each run from its start on, and one immutable record for each that ended."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, or_, select, tuple_, update

from reports.connect import connect, reaching, writing
from reports.inserting import Kept, add_missing, insert_packed
from reports.packing import Packed, pack, run_row, unpack, unpack_bytes
from reports.pending import Judging, judge_here, settle, settle_all, settled
from reports.place import resolved, without_password
from reports.record import Record, Start
from reports.tables import bodies, records, results, rollups, runs
from runner.errors import ChaosctlError, UsageError
from runner.model import iso

__all__ = ["Row", "SamplesPruned", "Store", "open_store"]

_SHOWN = (
    *runs.c,
    *(records.c[name] for name in ("address", "kind", "verdict", "exit_code", "score", "formula")),
)
_BATCH = 100


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
    project: str
    pinned: str | None
    service: str | None
    address: str | None
    kind: str | None
    verdict: str | None
    exit_code: int | None
    score: float | None
    formula: str | None
    faults: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What came of a run that ended: `pass, 96.5 of 100`."""
        return _outcome(self)


class SamplesPruned(UsageError):
    """A run's samples went because of their age; the message says what is known of it still, and its row has that."""


@contextmanager
def open_store(store_url: str = "") -> Iterator["Store"]:
    """Yield the store, by default the SQLite file in the state directory; raises as reports.connect.connect."""
    store = Store(connect(store_url), without_password(resolved(store_url)))
    try:
        yield store
    finally:
        store.engine.dispose()


class Store:
    """An open store; `place` is its URL without a password. Its methods raise Unreachable where it does not answer.

    `judging` judges the records that wait for it, before anybody reads them.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self.engine = engine
        self.place = place
        self.judging: Judging = judge_here

    def begin(self, start: Start) -> None:
        """Note that a run has begun; one that is known already stays as it is."""
        with reaching(self.place), writing(self.engine) as connection:
            add_missing(connection, runs, [run_row(start)], "run")

    def keep(self, record: Record) -> bool:
        """Keep a record, judged; returns False where one with the same evidence is there already.

        Raises ChaosctlError where the run has another record: a record is never replaced.
        """
        packed = pack(record)
        kept = self.keep_packed([packed])[packed.run]
        if kept is Kept.CONFLICT:
            raise ChaosctlError(
                f"Run {record.run} has another record in {self.place}, not {packed.address[:12]}.",
                "A record is never replaced. This one was not stored.",
            )
        return kept is Kept.STORED

    def keep_packed(self, many: Sequence[Packed]) -> dict[str, Kept]:
        """Keep records, at most one a run, all in one transaction; returns what became of each by its run."""
        with reaching(self.place), writing(self.engine) as connection:
            return insert_packed(connection, many)

    def rows(
        self,
        limit: int,
        service: str = "",
        verdict: str = "",
        experiment: str = "",
        project: str | None = None,
        after: tuple[float, str] | None = None,
    ) -> list[Row]:
        """Return the latest runs first; `experiment` is part of a title, a path, or the beginning of a hash.

        `after` is the start and the id of the last run of the page before; no project means all of them.
        """
        query = select(*_SHOWN).select_from(runs.outerjoin(records, records.c.run == runs.c.run))
        query = query.where(runs.c.service == service) if service else query
        query = query.where(records.c.verdict == verdict) if verdict else query
        query = query.where(_of_experiment(experiment)) if experiment else query
        query = query if project is None else query.where(runs.c.project == project)
        query = query.where(tuple_(runs.c.started, runs.c.run) < after) if after else query
        query = query.order_by(runs.c.started.desc(), runs.c.run.desc()).limit(limit)
        if verdict:
            settle_all(self, service)
        return self._judged_rows(query)

    def row(self, run: str) -> Row | None:
        """Return the row of one run, by its whole id; None where there is none."""
        query = select(*_SHOWN).select_from(runs.outerjoin(records, records.c.run == runs.c.run))
        found = self._judged_rows(query.where(runs.c.run == run))
        return found[0] if found else None

    def _judged_rows(self, query: Select[Any]) -> list[Row]:
        """Return rows, after those of them that wait were judged; what was acknowledged meanwhile is left out."""
        with reaching(self.place), self.engine.begin() as connection:
            found = _rows(connection, query)
        names = [row.run for row in found if row.address is None and row.ended is not None]
        if not names:
            return found
        settle(self, names)
        with reaching(self.place), self.engine.begin() as connection:
            return _rows(connection, query.where(or_(records.c.run.is_not(None), runs.c.ended.is_(None))))

    def find(self, written: str) -> str:
        """Return the run that the beginning of its id names, or `last`: of those that ended, the one that began last.

        Raises UsageError where that is not one run.
        """
        latest = select(runs.c.run).order_by(runs.c.started.desc(), runs.c.run.desc())
        begins = runs.c.run.startswith(written, autoescape=True)
        named = latest.where(runs.c.ended.is_not(None) if written == "last" else begins)
        with reaching(self.place), self.engine.begin() as connection:
            found = list(connection.scalars(named.limit(5)))
        if not found:
            none = "has ended yet" if written == "last" else f"is named {written!r}"
            raise UsageError(f"No run in {self.place} {none}.", "chaosctl report list shows those there are.")
        if len(found) > 1 and written != "last" and written not in found:
            raise UsageError(
                f"{written!r} is the beginning of several runs: {', '.join(found)}.", "Write more of the one you mean."
            )
        return written if written in found else found[0]

    def recorded(self) -> list[str]:
        """Return the runs whose whole record is there, in the order they started."""
        query = select(runs.c.run).join(records, records.c.run == runs.c.run).join(bodies)
        with settled(self) as connection:
            return list(connection.scalars(query.order_by(runs.c.started, runs.c.run)))

    def record(self, run: str) -> Record:
        """Return the record of a run; raises UsageError where there is none, ChaosctlError where it is damaged."""
        return unpack(run, *self._body(run))

    def records(self, names: Sequence[str]) -> Iterator[Record]:
        """Yield the records of those of these runs whose records are there and whole."""
        query = select(records.c.run, records.c.address, bodies.c.body).join(bodies)
        for first in range(0, len(names), _BATCH):
            with reaching(self.place), self.engine.begin() as connection:
                found = connection.execute(query.where(records.c.run.in_(names[first : first + _BATCH]))).all()
            for row in found:
                with suppress(ChaosctlError):
                    yield unpack(*row)

    def content(self, run: str) -> bytes:
        """Return the canonical bytes of a run's record, as they were stored; raises as record()."""
        return unpack_bytes(run, *self._body(run))

    def rollup(self, run: str) -> bytes:
        """Return the roll-up of a run whose samples were pruned, as JSON; raises UsageError where there is none."""
        query = select(rollups.c.body).join(records, records.c.address == rollups.c.address)
        with reaching(self.place), self.engine.begin() as connection:
            found = connection.scalar(query.where(records.c.run == run))
        if found is None:
            raise UsageError(f"There is no roll-up of run {run}.", "It was not pruned yet, or was too long ago.")
        return zlib.decompress(found)

    def pin(self, run: str, reason: str | None) -> None:
        """Keep everything of a run whatever its age, and say why; without a reason it is subject to its age again."""
        with reaching(self.place), writing(self.engine) as connection:
            connection.execute(update(runs).where(runs.c.run == run).values(pinned=reason))

    def _body(self, run: str) -> tuple[str, bytes]:
        columns = *records.c, runs.c.started, bodies.c.body, rollups.c.address.label("rolled")
        query = select(*columns).select_from(records).join(runs).outerjoin(bodies).outerjoin(rollups)
        query = query.where(records.c.run == run)
        found = self._one(query)
        if found is None:
            settle(self, [run])
            found = self._one(query)
        if found is None:
            raise UsageError(
                f"Run {run} was started and never ended, so there is no record of it.",
                "It is still running, or was killed; chaosctl faults shows whether it left anything.",
            )
        if found.body is None:
            raise _pruned(found)
        return found.address, found.body

    def _one(self, query: Select[Any]) -> Any:
        with reaching(self.place), self.engine.begin() as connection:
            return connection.execute(query).one_or_none()


def _pruned(found: Any) -> SamplesPruned:
    rest = "a roll-up of it remains, and its verdict" if found.rolled else "its verdict and figures remain"
    return SamplesPruned(
        f"The samples of run {found.run} were pruned because of their age; {rest}: "
        f"{_outcome(found)}, started {iso(found.started)[:19].replace('T', ' ')} UTC.",
        "chaosctl report pin keeps everything of a run, if it is pinned in time.",
    )


def _outcome(found: Any) -> str:
    return f"{found.verdict}, {'no score' if found.score is None else f'{found.score:g} of 100'}"


def _of_experiment(written: str) -> Any:
    return or_(
        runs.c.title.icontains(written, autoescape=True),
        runs.c.path == written,
        runs.c.experiment_hash.startswith(written, autoescape=True),
    )


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    found = connection.execute(query).mappings().all()
    wanted = select(results.c.run, results.c.fault).where(results.c.run.in_([row["run"] for row in found]))
    faults: dict[str, tuple[str, ...]] = {}
    for run, fault in connection.execute(wanted.order_by(results.c.fault)):
        faults[run] = (*faults.get(run, ()), fault)
    return [
        Row(**{str(column): value for column, value in row.items()}, faults=faults.get(row["run"], ())) for row in found
    ]
