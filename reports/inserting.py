"""Putting packed records into the tables: many at once, each once, never one over another."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects import sqlite

from reports import documents
from reports.packing import Packed, Unjudged, evidence, pack_held, unpack
from reports.tables import bodies, cells, pending, records, results, runs

__all__ = [
    "Kept",
    "add_judged",
    "add_missing",
    "insert_packed",
    "insert_unjudged",
    "note_change",
    "replace_rows",
    "same",
    "upsert_runs",
]


_END = "ended", "project", "service"


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
    if connection.dialect.name == "postgresql":
        fresh = documents.insert_records(connection, ordered) if ordered else set()
    else:
        fresh = upsert_runs(connection, [packed.run_row for packed in ordered])
        _add_records(connection, [packed for packed in ordered if packed.run in fresh])
    return _told(connection, ordered, fresh)


def insert_unjudged(connection: Connection, many: Sequence[Unjudged]) -> dict[str, Kept]:
    """Insert records that wait to be judged, at most one a run, and return what became of each, as insert_packed()."""
    ordered = sorted(many, key=lambda held: held.run)
    fresh = upsert_runs(connection, [held.run_row for held in ordered])
    rows = [
        {"run": held.run, "address": held.address, "service": held.run_row["service"], "body": held.body}
        for held in ordered
        if held.run in fresh
    ]
    add_missing(connection, pending, rows, "run")
    return _told(connection, ordered, fresh)


def add_judged(connection: Connection, many: Sequence[Packed]) -> None:
    """Put records in the place of those that waited; one that somebody else has put there meanwhile stays.

    They are locked in the order of their runs, so that two who judge the same ones wait for each other and never both.
    """
    ordered = sorted(many, key=lambda packed: packed.run)
    mine = pending.c.run.in_([packed.run for packed in ordered])
    found = set(connection.scalars(select(pending.c.run).where(mine).order_by(pending.c.run).with_for_update()))
    connection.execute(delete(pending).where(pending.c.run.in_(found)))
    _add_records(connection, [packed for packed in ordered if packed.run in found])


def _add_records(connection: Connection, new: Sequence[Packed]) -> None:
    add_missing(connection, records, [packed.record_row for packed in new], "run")
    add_missing(connection, bodies, [{"address": packed.address, "body": packed.body} for packed in new], "address")
    found = [row for packed in new for row in packed.result_rows]
    add_missing(connection, results, found, "run")
    note_change(connection, _cells_of(found))


def _told(connection: Connection, ordered: Sequence[Packed | Unjudged], fresh: set[str]) -> dict[str, Kept]:
    old = {each.run: each for each in ordered if each.run not in fresh}
    return dict.fromkeys(fresh, Kept.STORED) | _compared(connection, old)


def add_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], told: str) -> set[str]:
    """Insert the rows that are not there yet, and return the column `told` of those that were inserted."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        return documents.insert_missing(connection, table, rows, told)
    statement = sqlite.insert(table).on_conflict_do_nothing().returning(table.c[told])
    return set(connection.scalars(statement, [dict(row) for row in rows]))


def upsert_runs(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Note the end of runs, and return those that had none; a run that has ended already keeps its row as it is."""
    if not rows:
        return set()
    if connection.dialect.name == "postgresql":
        return documents.end_runs(connection, rows)
    statement = sqlite.insert(runs)
    statement = statement.on_conflict_do_update(
        index_elements=[runs.c.run],
        set_={name: statement.excluded[name] for name in _END},
        where=runs.c.ended.is_(None),
    )
    return set(connection.scalars(statement.returning(runs.c.run), [dict(row) for row in rows]))


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or put them in the place of those with the same key; they should be in the order of their keys."""
    if connection.dialect.name == "postgresql":
        documents.replace_rows(connection, table, rows)
        return
    key = table.primary_key.columns.keys()
    statement = sqlite.insert(table)
    taken = {name: statement.excluded[name] for name in rows[0] if name not in key}
    replacing = statement.on_conflict_do_update(index_elements=[*table.primary_key.columns], set_=taken)
    connection.execute(replacing, [dict(row) for row in rows])


def note_change(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note cells, in the order of their keys, and that their runs have changed: what was computed of them is no more.

    It is the last that a transaction does to them, because others that have runs of these cells wait for its end.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        documents.raise_cells(connection, rows)
        return
    statement = sqlite.insert(cells)
    raised = statement.on_conflict_do_update(
        index_elements=[*cells.primary_key.columns], set_={"changed": cells.c.changed + 1}
    )
    connection.execute(raised, [dict(row) for row in rows])


def _cells_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = cells.primary_key.columns.keys()
    keys = {tuple(row[name] for name in names) for row in rows if row["service"]}
    return [dict(zip(names, key, strict=True)) for key in sorted(keys)]


def _compared(connection: Connection, old: Mapping[str, Packed | Unjudged]) -> dict[str, Kept]:
    if not old:
        return {}
    address = func.coalesce(records.c.address, pending.c.address)
    body = func.coalesce(bodies.c.body, pending.c.body)
    tables = runs.outerjoin(records, records.c.run == runs.c.run).outerjoin(
        bodies, bodies.c.address == records.c.address
    )
    query = select(runs.c.run, address, body).select_from(tables.outerjoin(pending, pending.c.run == runs.c.run))
    return {run: same(old[run], *stored) for run, *stored in connection.execute(query.where(runs.c.run.in_(old)))}


def same(offered: Packed | Unjudged, address: str, body: bytes | None) -> Kept:
    """Compare a record with the one that its run has; bytes that are alike need no second look."""
    if offered.address == address:
        return Kept.PRESENT
    if body is None:
        return Kept.PRESENT if _judged(offered).address == address else Kept.CONFLICT
    ours, theirs = unpack(offered.run, address, body), unpack(offered.run, offered.address, offered.body)
    return Kept.PRESENT if evidence(ours) == evidence(theirs) else Kept.CONFLICT


def _judged(one: Packed | Unjudged) -> Packed:
    return one if isinstance(one, Packed) else pack_held(one.run, one.address, one.body, "")
