"""Migrations, both ways on both kinds of database: to the tables the code knows, with every run still there."""

from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from reports.connect import connect, return_to, writing
from reports.queries import cells_of, history
from reports.store import open_store
from reports.tables import REVISION, metadata
from reports.upgrade import _configured, upgrade
from reports.verdict import judged
from runner.errors import UsageError
from tests.reports._records import START, bad_at, fault, record, series

FIRST = record(faults=(fault(name="etcd-latency"), fault()))
SECOND = record(run="run-2", started=START + 1, series=(series(bad_at(*range(62, 100))),))


def tables(url: str) -> list[str]:
    engine = create_engine(url)
    try:
        return sorted(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def rows(url: str, statement: str) -> list[Any]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]
    finally:
        engine.dispose()


def test_migrations_lead_to_the_tables_the_code_knows(url: str) -> None:
    engine = connect(url)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, metadata) == []
        upgrade(connection, REVISION, "here")
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_runs_go_back_to_an_older_version_and_forth_again_unaltered(url: str) -> None:
    with open_store(url) as store:
        for one in (FIRST, SECOND):
            store.keep(one)
        before = store.rows(limit=10), cells_of(store), history(store, 0)
    return_to("0001", url)
    assert tables(url) == ["alembic_version", "record_faults", "records", "runs"]
    assert rows(url, "SELECT run, fault FROM records NATURAL JOIN record_faults ORDER BY run, fault") == [
        ("run-1", "etcd-latency"),
        ("run-1", "network-dns"),
        ("run-2", "network-dns"),
    ]
    with open_store(url) as store:
        assert (store.rows(limit=10), cells_of(store), history(store, 0)) == before
        assert [store.content(one.run) for one in (FIRST, SECOND)] == [
            judged(one).canonical() for one in (FIRST, SECOND)
        ]


def test_all_the_way_back_leaves_nothing(url: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        command.downgrade(_configured(connection)[0], "base")
    engine.dispose()
    assert tables(url) == ["alembic_version"]


def test_a_revision_that_is_not_an_older_one_is_refused() -> None:
    connect().dispose()
    for wanted in (REVISION, "0999", "base"):
        with pytest.raises(UsageError, match=r"is not one before it.*Those before it: 0001, 0002, 0003, 0004\."):
            return_to(wanted)


def test_an_upgrade_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A table of a later migration step is in the way: the steps before it must not stay."""
    url = f"sqlite:///{tmp_path}/store.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE deliveries (x)")
    with pytest.raises(Exception, match="deliveries already exists"):
        connect(url)
    assert inspect(engine).get_table_names() == ["deliveries"]
