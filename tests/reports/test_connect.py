"""Opening a store: pragmas, revisions, and what is said where it does not work."""

import fcntl
import sqlite3
from pathlib import Path

import pytest

from reports import connect as module
from reports.connect import connect, writing
from reports.tables import REVISION
from runner.errors import Missing, Unreachable, UsageError
from tests._postgres import Postgres
from tests.reports._processes import run


def test_a_commit_outlives_a_power_cut_and_readers_do_not_wait_for_writers(state: Path) -> None:
    with connect().begin() as connection:
        pragmas = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]
    assert (state / "store.db").is_file()


def test_a_writer_takes_the_lock_before_it_reads() -> None:
    first, second = connect(), connect()
    with writing(first) as one:
        one.exec_driver_sql("SELECT count(*) FROM runs")
        with second.begin() as reader:
            assert reader.exec_driver_sql("SELECT count(*) FROM runs").scalar() == 0
        with sqlite3.connect(str(first.url.database), timeout=0) as raw, pytest.raises(sqlite3.OperationalError):
            raw.execute("BEGIN IMMEDIATE")


def test_alembic_is_not_imported_for_a_store_that_is_up_to_date() -> None:
    opened = "import sys; from reports.connect import connect; connect(); print('alembic' in sys.modules)"
    assert [run(opened), run(opened)] == ["True\n", "False\n"]


def test_a_store_that_a_newer_version_wrote_is_refused_untouched(state: Path) -> None:
    connect().dispose()
    with sqlite3.connect(state / "store.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(Missing, match=rf"revision 0999.* none beyond {REVISION}: a newer version wrote it") as caught:
        connect()
    assert "Upgrade chaosctl" in caught.value.fix
    with sqlite3.connect(state / "store.db") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [("0999",)]


@pytest.mark.parametrize("url", ["foo", "nosuch://host/db", "sqlite+nosuch:///x.db", "mysql+pymysql://host/db"])
def test_a_url_that_names_no_store_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="is not the URL of a store"):
        connect(url)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("These are notes, and they are longer than the header of a database would be." * 20)
    with pytest.raises(Unreachable, match=r"notes\.db cannot be used: file is not a database"):
        connect(f"sqlite:///{file}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_a_driver_says_in_lines_is_told_in_one_and_ends_as_a_sentence(host: str) -> None:
    with pytest.raises(Unreachable, match=r"Connection refused\. Is the server") as caught:
        connect(f"postgresql+psycopg://chaos@{host}:1/chaos")
    assert "\n" not in caught.value.message
    assert "\t" not in caught.value.message
    assert caught.value.message.endswith(("connections?", "."))
    assert "?." not in caught.value.message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No such file or directory"):
        connect(f"sqlite:///{tmp_path}/nowhere/store.db")


def test_a_lock_that_nobody_lets_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.1)
    lock = tmp_path / "store.db.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unreachable, match=r"another process has held .*store\.db\.lock"):
            connect(f"sqlite:///{tmp_path}/store.db")


@pytest.mark.parametrize("rested", [0.0, 1e9])
def test_a_connection_that_the_database_left_is_replaced_before_it_is_used(
    cluster: Postgres, pg_url: str, monkeypatch: pytest.MonkeyPatch, rested: float
) -> None:
    monkeypatch.setattr(module, "_RESTED_SECONDS", rested)
    engine = connect(pg_url)
    for _ in range(3):
        with engine.connect() as one, engine.connect() as other:
            left = [connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() for connection in (one, other)]
        for backend in left:
            cluster.execute(f"SELECT pg_terminate_backend({backend}, 10000)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT pg_backend_pid()").scalar() not in left
    engine.dispose()
