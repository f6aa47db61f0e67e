"""Migrations: they end at the revision the code names, with the tables the code knows."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from reports.connect import connect
from reports.tables import REVISION, metadata
from reports.upgrade import upgrade


def test_migrations_lead_to_the_tables_the_code_knows() -> None:
    with connect().begin() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, metadata) == []


def test_an_upgrade_that_fails_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of the last migration step is in the way: the steps before it must not stay."""
    url = f"sqlite:///{tmp_path}/store.db"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE record_faults (x)")
    with pytest.raises(Exception, match="record_faults already exists"):
        connect(url)
    assert inspect(engine).get_table_names() == ["record_faults"]


def test_an_upgrade_of_what_is_up_to_date_changes_nothing() -> None:
    engine = connect()
    with engine.begin() as connection:
        upgrade(connection, REVISION, "here")
        assert sorted(inspect(connection).get_table_names()) == ["alembic_version", "record_faults", "records", "runs"]
