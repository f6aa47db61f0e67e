"""Putting packed records into the tables: many at once, each once, never one over another."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, LargeBinary, Table, select
from sqlalchemy.dialects import sqlite

from reports.packing import Packed, evidence, unpack
from reports.tables import bodies, cells, records, results, runs

__all__ = ["Kept", "add_missing", "insert_packed", "note_change", "upsert_runs"]


class Kept(StrEnum):
    """What became of a record that was handed over."""

    STORED = "stored"
    PRESENT = "present"
    CONFLICT = "conflict"


def insert_packed(connection: Connection, many: Sequence[Packed]) -> dict[str, Kept]:
    """Insert records, at most one a run, and return what became of each by its run.

    A run whose record has the same evidence is present, whatever formula judged it; one with other evidence is a
    conflict, and the stored one stays. They are inserted in the order of their runs, so that two writers with the same
    runs wait for each other and never for both.
    """
    ordered = sorted(many, key=lambda packed: packed.run)
    upsert_runs(connection, [packed.run_row for packed in ordered])
    fresh = add_missing(connection, records, [packed.record_row for packed in ordered], "run")
    new = [packed for packed in ordered if packed.run in fresh]
    add_missing(connection, bodies, [{"address": packed.address, "body": packed.body} for packed in new], "address")
    found = [row for packed in new for row in packed.result_rows]
    add_missing(connection, results, found, "run")
    note_change(connection, _cells_of(found))
    old = {packed.run: packed for packed in ordered if packed.run not in fresh}
    return dict.fromkeys(fresh, Kept.STORED) | _compared(connection, old)


def add_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], told: str) -> set[str]:
    """Insert the rows that are not there yet, and return the column `told` of those that were inserted."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        return set(_at_once(connection, table, rows, f"ON CONFLICT DO NOTHING RETURNING {told}"))
    statement = sqlite.insert(table).on_conflict_do_nothing().returning(table.c[told])
    return set(connection.scalars(statement, [dict(row) for row in rows]))


def _at_once(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], action: str) -> list[Any]:
    """Insert rows into PostgreSQL as one array a column: to write out each value takes the client ten times as long."""
    columns = [table.c[name] for name in rows[0]]
    quoted = ", ".join(connection.dialect.identifier_preparer.quote(column.name) for column in columns)
    arrays = ", ".join(
        f"%{'b' if isinstance(column.type, LargeBinary) else 's'}::{column.type.compile(connection.dialect)}[]"
        for column in columns
    )
    statement = f"INSERT INTO {table.name} ({quoted}) SELECT * FROM unnest({arrays}) {action}"  # noqa: S608 - our tables
    values = tuple([row[column.name] for row in rows] for column in columns)
    return list(connection.exec_driver_sql(statement, values).scalars())


def upsert_runs(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note the end of runs; one that has a record already keeps its row as it is."""
    if connection.dialect.name == "postgresql":
        taken = "SET ended = excluded.ended, project = excluded.project WHERE runs.ended IS NULL"
        _at_once(connection, runs, rows, f"ON CONFLICT (run) DO UPDATE {taken} RETURNING run")
        return
    statement = sqlite.insert(runs)
    statement = statement.on_conflict_do_update(
        index_elements=[runs.c.run],
        set_={"ended": statement.excluded.ended, "project": statement.excluded.project},
        where=runs.c.ended.is_(None),
    )
    connection.execute(statement.returning(runs.c.run), [dict(row) for row in rows])


def note_change(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note cells, in the order of their keys, and that their runs have changed: what was computed of them is no more.

    It is the last that a transaction does to them, because others that have runs of these cells wait for its end.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        key = ", ".join(cells.primary_key.columns.keys())
        raised = f"ON CONFLICT ({key}) DO UPDATE SET changed = cells.changed + 1 RETURNING service"
        _at_once(connection, cells, rows, raised)
        return
    statement = sqlite.insert(cells)
    raised_here = statement.on_conflict_do_update(
        index_elements=[*cells.primary_key.columns], set_={"changed": cells.c.changed + 1}
    )
    connection.execute(raised_here, [dict(row) for row in rows])


def _cells_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = cells.primary_key.columns.keys()
    keys = {tuple(row[name] for name in names) for row in rows if row["service"]}
    return [dict(zip(names, key, strict=True)) for key in sorted(keys)]


def _compared(connection: Connection, old: Mapping[str, Packed]) -> dict[str, Kept]:
    if not old:
        return {}
    query = select(records.c.run, records.c.address, bodies.c.body).outerjoin(bodies).where(records.c.run.in_(old))
    return {run: _same(old[run], address, body) for run, address, body in connection.execute(query)}


def _same(packed: Packed, address: str, body: bytes | None) -> Kept:
    if packed.address == address:
        return Kept.PRESENT
    if body is None:
        return Kept.CONFLICT
    stored, offered = unpack(packed.run, address, body), unpack(packed.run, packed.address, packed.body)
    return Kept.PRESENT if evidence(stored) == evidence(offered) else Kept.CONFLICT
