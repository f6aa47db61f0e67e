"""Single runs at the same moment: one commit for all of them, and an answer for each."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, select

from reports.api.answers import Answers
from reports.api.together import Together
from reports.inserting import Kept
from reports.packing import Packed, pack
from reports.store import Store, open_store
from reports.tables import audit
from reports.tokens import Token
from runner.errors import Unreachable
from tests.reports._records import START, record

TOKEN = Token("abc", "ingest", "blue", "", "ada", 0.0, 9e9, None)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def put_at_once(store: Store, *many: Packed) -> tuple[list[Any], int]:
    """Let all wait for one turn, and return what each was told, in order, and how often something was committed."""
    together, commits = Together(Answers(store)), []
    event.listen(store.engine, "commit", lambda _connection: commits.append(1))

    def put(one: Packed) -> Any:
        try:
            return together.put(one, TOKEN, "here")
        except Unreachable as error:
            return error

    with ThreadPoolExecutor(len(many)) as pool:
        with together._turn:
            going = []
            for number, one in enumerate(many, 1):
                going.append(pool.submit(put, one))
                wait_until(lambda number=number: len(together._waiting) == number)
        return [each.result() for each in going], len(commits)


def wait_until(true: Any) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        threading.Event().wait(0.001)


def noted(store: Store) -> Counter[str]:
    with store.engine.connect() as connection:
        return Counter(connection.scalars(select(audit.c.subject)))


def test_what_waits_is_committed_at_once_and_each_is_audited(store: Store) -> None:
    many = [pack(record(run=f"r{number}"), "blue") for number in range(12)]
    found, commits = put_at_once(store, *many)
    assert (found, commits) == ([Kept.STORED] * 12, 1)
    assert noted(store) == Counter(each.run for each in many)
    assert {row.run for row in store.rows(99, project="blue")} == {each.run for each in many}


def test_the_same_run_twice_at_once_is_one_and_another_record_of_it_a_conflict(store: Store) -> None:
    one, other = pack(record()), pack(record(ended=START + 181))
    found, commits = put_at_once(store, one, one, other, pack(record(run="b")))
    assert (found, commits) == ([Kept.STORED, Kept.PRESENT, Kept.CONFLICT, Kept.STORED], 3)
    assert noted(store) == Counter({"run-1": 2, "b": 1})
    assert store.record("run-1").ended == START + 180


def test_one_that_a_database_cannot_hold_takes_no_other_along(pg_url: str) -> None:
    with open_store(pg_url) as store:
        bad = pack(record(run="bad", promise=record().promise.model_copy(update={"service": "a\0b"})))
        found, _ = put_at_once(store, pack(record(run="a")), bad, pack(record(run="c")))
        assert (found[0], found[2]) == (Kept.STORED, Kept.STORED)
        assert isinstance(found[1], Unreachable)
        assert noted(store) == Counter(["a", "c"])
