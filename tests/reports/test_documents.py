"""Rows that go to PostgreSQL as documents: what comes out is what went in, and records are stored as one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DataError

from reports import documents
from reports.connect import writing
from reports.inserting import Kept
from reports.packing import Packed, pack
from reports.record import Promise
from reports.store import Store, open_store
from reports.tables import bodies, cells, records, results, rollups, runs, standings
from tests.reports._records import fault, random_record, record

ODD = ["", "a'b", 'a"b\\', "\N{SNOWMAN}\N{PILE OF POO}", "a\nb\t%s%%(x)s", "{}", "NULL", "\\x00", "null"]
NUMBERS = [0.1, 1e-300, 1e300, -0.0, 1800000000.123, 5e-324, 123456789012.345]


@pytest.fixture
def store(pg_url: str) -> Iterator[Store]:
    with open_store(pg_url) as opened:
        yield opened


def test_texts_and_numbers_come_out_as_they_went_in(store: Store) -> None:
    row = {"fault": "f", "environment": "e", "seen": "all", "formula": "1"}
    texts = [row | {"service": f"{number}", "until": 1.0, "told": text} for number, text in enumerate(ODD)]
    numbers = [row | {"service": f"n{number}", "until": each, "told": ""} for number, each in enumerate(NUMBERS)]
    with writing(store.engine) as connection:
        documents.replace_rows(connection, standings, texts + numbers)
        documents.replace_rows(connection, standings, [texts[0] | {"told": "another"}])
        found = connection.execute(select(standings)).mappings()
        told = {each["service"]: (each["told"], repr(each["until"])) for each in found}
    assert [told[f"{number}"][0] for number in range(len(ODD))] == ["another", *ODD[1:]]
    assert [told[f"n{number}"][1] for number in range(len(NUMBERS))] == [repr(each) for each in NUMBERS]


def test_bytes_stay_with_their_row_wherever_their_column_stands(store: Store) -> None:
    kept = [pack(record(run=f"r{number}")) for number in range(3)]
    store.keep_packed(kept)
    made = [{"address": each.address, "body": bytes([0, 255, n]), "made": float(n)} for n, each in enumerate(kept)]
    with writing(store.engine) as connection:
        assert documents.insert_missing(connection, rollups, made, "made") == {0.0, 1.0, 2.0}
        assert documents.insert_missing(connection, rollups, made, "made") == set()
        found = connection.execute(select(rollups)).mappings().all()
    assert sorted((each["address"], bytes(each["body"]), each["made"]) for each in found) == sorted(
        (each["address"], each["body"], each["made"]) for each in made
    )


def test_a_text_that_no_column_takes_is_refused_and_nothing_is_written(store: Store) -> None:
    bad = pack(record(run="bad", promise=record().promise.model_copy(update={"service": "a\0b"})))
    with pytest.raises(DataError), writing(store.engine) as connection:
        documents.insert_records(connection, [pack(record(run="a")), bad])
    assert store.rows(9) == []


def rows(store: Store) -> list[list[tuple[Any, ...]]]:
    with store.engine.connect() as connection:
        return [
            sorted(tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key)))
            for table in (runs, records, bodies, results, cells)
        ]


def test_records_are_stored_as_on_sqlite_each_once(store: Store, tmp_path: Path) -> None:
    many: list[Packed] = [pack(random_record(seed).model_copy(update={"run": f"r{seed:02}"})) for seed in range(40)]
    many += [pack(record(run="x", faults=(fault(), fault(name="etcd-latency")))), pack(record(run="y", faults=()))]
    many.append(pack(record(run="z", promise=Promise())))
    with open_store(f"sqlite:///{tmp_path}/other.db") as other:
        for each in (store, other):
            assert set(each.keep_packed(many[:30]).values()) == {Kept.STORED}
            assert list(each.keep_packed(many).values()).count(Kept.PRESENT) == 30
        assert repr(rows(store)) == repr(rows(other))
