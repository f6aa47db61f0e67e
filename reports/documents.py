"""Many rows for PostgreSQL at once: one JSON document a table, and all tables of a record in one statement.

A round trip costs a client more than the rows of a record do, and so does a parameter for each of their columns.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import Connection, LargeBinary, Table

from reports.packing import Packed
from reports.tables import bodies, cells, records, results, runs

__all__ = ["end_runs", "insert_missing", "insert_records", "raise_cells", "replace_rows"]

_CELL = ", ".join(cells.primary_key.columns.keys())
_MISSING = "ON CONFLICT DO NOTHING"
_ENDING = (
    "ON CONFLICT (run) DO UPDATE SET ended = excluded.ended, project = excluded.project, service = excluded.service "
    "WHERE runs.ended IS NULL"
)
_RAISING = f"ON CONFLICT ({_CELL}) DO UPDATE SET changed = cells.changed + 1"
_FRESH = "ANY ((SELECT array_agg(run) FROM fresh)::varchar[])"
"""An aggregate, so that all runs are locked before anything else is."""


def insert_missing(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], told: str) -> set[Any]:
    """Insert the rows that are not there yet, and return the column `told` of those that were inserted."""
    return set(_told(connection, table, rows, f"{_MISSING} RETURNING {told}"))


def end_runs(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert runs that ended, or note that they did, and return those that had not ended before."""
    return set(_told(connection, runs, rows, f"{_ENDING} RETURNING run"))


def raise_cells(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Note cells, in the order of their keys, and that their runs have changed."""
    _told(connection, cells, rows, f"{_RAISING} RETURNING service")


def replace_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or put them in the place of those with the same key."""
    key, rest = list(table.primary_key.columns.keys()), [name for name in rows[0] if name not in table.primary_key]
    taken = ", ".join(f"{name} = excluded.{name}" for name in rest)
    _told(connection, table, rows, f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {taken} RETURNING {key[0]}")


def insert_records(connection: Connection, ordered: Sequence[Packed]) -> set[str]:
    """Insert the records of those runs that have none, in the order of their runs, and return these runs."""
    names = tuple(ordered[0].run_row)
    values = (
        *_values(runs, names, [packed.run_row for packed in ordered]),
        *_values(records, _all(records), [packed.record_row for packed in ordered]),
        *_values(bodies, _all(bodies), [{"address": packed.address, "body": packed.body} for packed in ordered]),
        *_values(results, _all(results), [row for packed in ordered for row in packed.result_rows]),
    )
    return set(connection.exec_driver_sql(_statement(names), values).scalars())


@cache
def _statement(names: tuple[str, ...]) -> str:
    """Return what stores records; cells come last, because others wait for the end of whoever raised them."""
    ordered = ", ".join(f'{name} COLLATE "C"' for name in cells.primary_key.columns.keys())  # noqa: SIM118 - no dict
    return f"""
        WITH fresh AS ({_insert(runs, names)} {_ENDING} RETURNING run),
        stored AS ({_insert(records, _all(records))} WHERE run = {_FRESH} {_MISSING} RETURNING address),
        kept AS ({_insert(bodies, _all(bodies))} WHERE address IN (SELECT address FROM stored) {_MISSING}),
        found AS ({_insert(results, _all(results))} WHERE run = {_FRESH} {_MISSING} RETURNING {_CELL}),
        changed AS (
            INSERT INTO cells ({_CELL})
            SELECT {_CELL} FROM found WHERE service <> '' GROUP BY {_CELL} ORDER BY {ordered} {_RAISING}
        )
        SELECT run FROM fresh
    """  # noqa: S608 - our tables


def _told(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], action: str) -> list[Any]:
    names = tuple(rows[0])
    statement = f"{_insert(table, names)} {action}"
    return list(connection.exec_driver_sql(statement, _values(table, names, rows)).scalars())


@cache
def _insert(table: Table, names: tuple[str, ...]) -> str:
    """Return what inserts a document of rows, and beside it an array for each column of bytes."""
    plain, packed = _split(table, names)
    typed = ", ".join(f"{_quoted(name)} {table.c[name].type.compile()}" for name in plain)
    quoted = ", ".join(_quoted(name) for name in (*plain, *packed))
    arrays = ", unnest(%b::bytea[])" * len(packed)
    source = f"ROWS FROM (json_to_recordset(%s::json) AS ({typed}){arrays}) AS given ({quoted})"
    return f"INSERT INTO {table.name} ({quoted}) SELECT {quoted} FROM {source}"  # noqa: S608 - our tables


def _values(table: Table, names: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    plain, packed = _split(table, names)
    document = orjson.dumps([{name: row[name] for name in plain} for row in rows]).decode()
    return (document, *([row[name] for row in rows] for name in packed))


@cache
def _split(table: Table, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of plain columns and of those of bytes, as texts and nothing more: orjson takes no others."""
    packed = tuple(str(name) for name in names if isinstance(table.c[name].type, LargeBinary))
    return tuple(str(name) for name in names if name not in packed), packed


def _all(table: Table) -> tuple[str, ...]:
    return tuple(table.columns.keys())


def _quoted(name: str) -> str:
    return f'"{name}"'
