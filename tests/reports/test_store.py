"""The store on a real SQLite file and a real PostgreSQL."""

import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from reports.record import Problem, Promise, Record, Start
from reports.store import Store, open_store
from reports.verdict import judged
from runner.errors import ChaosctlError, Unreachable, UsageError
from tests.reports._processes import go, processes, results
from tests.reports._records import EXPERIMENT, ORIGIN, START, fault, record

WRITE_20 = """
import sys
from reports import connect
from reports.record import Start
from reports.store import open_store
connect._BUSY_SECONDS = connect._LOCK_SECONDS = 100.0  # the machine may be slow
from tests.reports._records import EXPERIMENT, ORIGIN, record
# go
for number in range(20):
    writer, url = sys.argv[1].split("|")
    with open_store(url) as store:
        run = f"run-{writer}-{number}"
        store.begin(Start(run=run, experiment=EXPERIMENT, origin=ORIGIN, started=number))
        assert store.keep(record(run=run))
"""


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def start(run: str = "run-1", started: float = START) -> Start:
    return Start(run=run, experiment=EXPERIMENT, origin=ORIGIN, started=started)


def keep(store: Store, *many: Record) -> None:
    for one in many:
        assert store.keep(one)


def test_eight_processes_open_a_new_store_at_once_and_nothing_is_lost(url: str) -> None:
    with processes(WRITE_20, [f"{number}|{url}" for number in range(8)]) as writers:
        go(writers)
        results(writers)
    with open_store(url) as store:
        rows = store.rows(limit=1000)
        assert {row.run for row in rows} == {f"run-{writer}-{number}" for writer in range(8) for number in range(20)}
        assert all(row.ended is not None for row in rows)
        assert store.record("run-7-19") == judged(record(run="run-7-19"))


def test_a_run_that_began_is_there_before_its_record_is(store: Store) -> None:
    store.begin(start())
    (row,) = store.rows(limit=10)
    assert (row.run, row.started, row.ended, row.verdict, row.faults) == ("run-1", START, None, None, ())
    with pytest.raises(UsageError, match="never ended"):
        store.record("run-1")


def test_a_record_ends_its_run_and_comes_back_as_it_was(store: Store) -> None:
    store.begin(start())
    keep(store, record())
    (row,) = store.rows(limit=10)
    assert (row.ended, row.verdict, row.exit_code, row.score) == (START + 180, "pass", 0, 100.0)
    assert (row.service, row.environment, row.faults) == ("payment", "lab", ("network-dns",))
    assert row.address == judged(record()).address()
    assert store.record("run-1").canonical() == judged(record()).canonical()


def test_a_record_whose_start_was_never_noted_is_a_run_all_the_same(store: Store) -> None:
    keep(store, record())
    store.begin(start(started=1.0))
    (row,) = store.rows(limit=10)
    assert (row.started, row.ended) == (START, START + 180)


def test_the_same_record_twice_is_kept_once(store: Store) -> None:
    assert store.keep(record())
    assert not store.keep(record())
    assert len(store.rows(limit=10)) == 1


def test_a_record_is_never_replaced(store: Store) -> None:
    keep(store, record())
    with pytest.raises(ChaosctlError, match="has another record"):
        store.keep(record(ended=START + 181))
    assert store.record("run-1").ended == START + 180


def test_rows_are_the_latest_first_and_filtered(store: Store) -> None:
    aborted = record(
        run="run-2",
        started=START + 1,
        promise=Promise(service="orders"),
        problem=Problem(kind="aborted", message="Stopped."),
        experiment=EXPERIMENT.model_copy(update={"title": "100% of orders", "hash": "cd" * 32, "path": "other.yaml"}),
        faults=(fault(name="etcd-latency"), fault(), fault()),
    )
    keep(store, record(), aborted)
    assert [row.run for row in store.rows(limit=10)] == ["run-2", "run-1"]
    assert [row.run for row in store.rows(limit=1)] == ["run-2"]
    assert store.rows(limit=10)[0].faults == ("etcd-latency", "network-dns")
    assert [row.run for row in store.rows(limit=10, service="payment")] == ["run-1"]
    assert [row.run for row in store.rows(limit=10, verdict="aborted")] == ["run-2"]
    assert store.rows(limit=10, service="pay") == []
    for written in ("LOSS OF redis", "experiments/dns.yaml", "abab"):
        assert [row.run for row in store.rows(limit=10, experiment=written)] == ["run-1"]
    assert [row.run for row in store.rows(limit=10, experiment="100%")] == ["run-2"]
    assert store.rows(limit=10, experiment="1%s") == []


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(store: Store) -> None:
    keep(store, record(run="ab"), record(run="abc-1", started=START + 2), record(run="abd_2", started=START + 1))
    assert store.find("abc") == "abc-1"
    assert store.find("ab") == "ab"
    assert store.find("last") == "abc-1"
    with pytest.raises(UsageError, match=r"several runs: abc-1, abd_2, ab\."):
        store.find("a")
    for unknown in ("x", "ab_", "%"):
        with pytest.raises(UsageError, match=r"No run in (sqlite|postgresql\+psycopg)://"):
            store.find(unknown)


def test_a_record_that_was_altered_is_not_trusted(state: Path) -> None:
    with open_store() as store:
        keep(store, record())
        other = judged(record(ended=START + 999))
        with sqlite3.connect(state / "store.db") as raw:
            raw.execute("UPDATE bodies SET body = ?", (zlib.compress(other.canonical()),))
        with pytest.raises(ChaosctlError, match="is not the one that was stored"):
            store.record("run-1")
        with sqlite3.connect(state / "store.db") as raw:
            raw.execute("UPDATE bodies SET body = ?", (b"garbage",))
        with pytest.raises(ChaosctlError, match="cannot be read"):
            store.record("run-1")


def test_a_store_that_goes_away_while_it_is_open_is_named(state: Path) -> None:
    with open_store() as store:
        with sqlite3.connect(state / "store.db") as raw:
            raw.execute("DROP TABLE results")
        with pytest.raises(Unreachable, match=r"store\.db cannot be used: no such table: results"):
            store.keep(record())
