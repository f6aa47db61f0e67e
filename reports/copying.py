"""Moving a store: every run with its bytes as they are, in small transactions, repeatable and resumable."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from reports.connect import reaching, writing
from reports.inserting import add_missing, note_change, upsert_runs
from reports.packing import unpack_bytes
from reports.pending import settle
from reports.store import Store
from reports.tables import bodies, cells, deliveries, records, results, rollups, runs, tokens
from runner.errors import ChaosctlError

__all__ = ["Copied", "copy"]

_BATCH = 200
_BY_ADDRESS = bodies, rollups
_BY_RUN = results, deliveries
_CELL = tuple(column.name for column in cells.primary_key)


@dataclass(frozen=True)
class Copied:
    """How many runs were there to copy, how many of them are new at the other place, and what could not be copied."""

    runs: int = 0
    new: int = 0
    refused: tuple[str, ...] = ()


def copy(source: Store, target: Store) -> Copied:
    """Copy all runs, records, roll-ups, pins and tokens; answers to idempotency keys and the audit stay where they are.

    What waits to be judged is judged first. A record goes over as the bytes it is stored as, after they were checked
    against its address. What is there already is not written again, so a copy that was interrupted is simply repeated;
    a run that has another record at the target is refused and named.
    """
    total = Copied()
    for batch in _batches(source):
        settle(target, [row["run"] for row in batch[runs]])
        with reaching(target.place), writing(target.engine) as connection:
            total = _added(total, _batch(connection, batch))
    with reaching(source.place), source.engine.connect() as connection:
        rest = {table: _dicts(connection, select(table).order_by(*table.primary_key)) for table in (cells, tokens)}
    with reaching(target.place), writing(target.engine) as connection:
        add_missing(connection, tokens, rest[tokens], "id")
        note_change(connection, [{name: row[name] for name in _CELL} for row in rest[cells]])
    return total


_Rows = Mapping[Any, list[dict[str, Any]]]


def _batches(source: Store) -> Iterator[_Rows]:
    after = ""
    while True:
        with reaching(source.place), source.engine.connect() as connection:
            found = _dicts(connection, select(runs).where(runs.c.run > after).order_by(runs.c.run).limit(_BATCH))
        names = [row["run"] for row in found]
        settle(source, names)
        with reaching(source.place), source.engine.connect() as connection:
            rows: dict[Any, list[dict[str, Any]]] = {runs: found}
            for table in (records, *_BY_RUN):
                rows[table] = _dicts(connection, select(table).where(table.c.run.in_(names)))
            addresses = [row["address"] for row in rows[records]]
            for table in _BY_ADDRESS:
                rows[table] = _dicts(connection, select(table).where(table.c.address.in_(addresses)))
        if not found:
            return
        yield rows
        after = names[-1]


def _dicts(connection: Connection, query: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _batch(connection: Connection, rows: _Rows) -> Copied:
    refused = _conflicts(connection, rows[records]) | _damaged(rows)
    addresses = {row["address"] for row in rows[records] if row["run"] not in refused}
    kept = [row for row in rows[runs] if row["run"] not in refused]
    new = add_missing(connection, runs, kept, "run")
    if known := [row for row in kept if row["run"] not in new and row["ended"] is not None]:
        upsert_runs(connection, known)
    add_missing(connection, records, [row for row in rows[records] if row["run"] not in refused], "run")
    for table in _BY_ADDRESS:
        add_missing(connection, table, [row for row in rows[table] if row["address"] in addresses], "address")
    for table in _BY_RUN:
        add_missing(connection, table, [row for row in rows[table] if row["run"] not in refused], "run")
    return Copied(len(rows[runs]), len(new), tuple(refused[run] for run in sorted(refused)))


def _conflicts(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    ours = {row["run"]: row["address"] for row in rows}
    query = select(records.c.run, records.c.address).where(records.c.run.in_(ours))
    return {
        run: f"Run {run} has another record there: {address[:12]}, not {ours[run][:12]}. It was left as it is."
        for run, address in connection.execute(query)
        if address != ours[run]
    }


def _damaged(rows: _Rows) -> dict[str, str]:
    runs_of = {row["address"]: row["run"] for row in rows[records]}
    found: dict[str, str] = {}
    for row in rows[bodies]:
        run = runs_of[row["address"]]
        try:
            unpack_bytes(run, row["address"], row["body"])
        except ChaosctlError as error:
            found[run] = error.message
    return found


def _added(one: Copied, other: Copied) -> Copied:
    return Copied(one.runs + other.runs, one.new + other.new, one.refused + other.refused)
