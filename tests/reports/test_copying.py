"""Moving a store: byte for byte, both ways, again and again."""

import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Table, select

from reports.copying import Copied, copy
from reports.queries import cells_of, history
from reports.record import Start
from reports.retention import Ages, prune
from reports.store import Store, open_store
from reports.tables import bodies, metadata, records
from reports.tokens import create, listed
from reports.verdict import judged
from runner.errors import ChaosctlError
from tests.reports._records import EXPERIMENT, ORIGIN, START, fault, random_record, record


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables but the audit, without the number by which a store sees that a cell has changed."""
    with store.engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(*_told(table)))), key=repr)
            for table in metadata.sorted_tables
            if table.name != "audit"
        }


def _told(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if column.name != "changed"]


def fill(store: Store) -> None:
    for number in range(205):
        store.keep(random_record(number).model_copy(update={"run": f"run-{number:03}"}))
    store.keep(record(run="old", started=START - 400 * 86400, faults=(fault(name="etcd-latency"), fault())))
    store.keep(record(run="aged", started=1_700_000_000.0, ended=1_700_000_180.0))
    store.begin(Start(run="begun", experiment=EXPERIMENT, origin=ORIGIN, started=START))
    store.pin("run-007", "an incident")
    prune(store, Ages(samples=86400, rollups=40_000 * 86400, verdicts=40_000 * 86400))
    create(store, ["read"], "payment", 60, made_by="ada")


def test_a_store_goes_to_the_other_kind_and_back_unaltered(tmp_path: Path, pg_url: str) -> None:
    with open_store(f"sqlite:///{tmp_path}/a.db") as first, open_store(pg_url) as second:
        fill(first)
        assert copy(first, second) == Copied(208, 208)
        assert everything(second) == everything(first)
        assert second.content("run-204") == first.content("run-204")
        with open_store(f"sqlite:///{tmp_path}/b.db") as third:
            assert copy(second, third) == Copied(208, 208)
            assert copy(second, third) == Copied(208, 0)
            assert everything(third) == everything(first)
            assert history(third, 0) == history(first, 0)
            assert cells_of(third) == cells_of(first)
            assert [token.made_by for token in listed(third)] == ["ada"]


def test_a_copy_is_taken_up_where_it_was_and_an_end_that_came_meanwhile_goes_too(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/a.db") as first, open_store(f"sqlite:///{tmp_path}/b.db") as second:
        first.begin(Start(run="run-1", experiment=EXPERIMENT, origin=ORIGIN, started=START))
        copy(first, second)
        first.keep(record())
        assert copy(first, second) == Copied(1, 0)
        assert second.record("run-1") == judged(record())
        assert everything(first) == everything(second)


def test_a_run_with_another_record_and_a_damaged_one_are_named_and_left(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/a.db") as first, open_store(f"sqlite:///{tmp_path}/b.db") as second:
        for name in ("a", "b", "c"):
            first.keep(record(run=name))
        second.keep(record(run="a", ended=START + 181))
        with sqlite3.connect(tmp_path / "a.db") as raw:
            query = str(select(bodies.c.address).join(records).where(records.c.run == "b").compile(first.engine))
            (address,) = raw.execute(query.replace("?", "'b'")).fetchone()
            raw.execute("UPDATE bodies SET body = ? WHERE address = ?", (zlib.compress(b"{}"), address))
        found = copy(first, second)
        assert (found.runs, found.new) == (3, 1)
        assert "Run a has another record there" in found.refused[0]
        assert "run b is not the one that was stored" in found.refused[1]
        assert second.record("a").ended == START + 181
        assert second.row("b") is None
        with pytest.raises(ChaosctlError) as refused:
            first.record("b")
        assert "chaosctl report copy --to URL" in refused.value.fix
