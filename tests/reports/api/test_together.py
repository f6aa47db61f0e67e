"""Single runs at the same moment: one commit for all of them, and an answer for each."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, select, update

from reports.api.answers import Answers
from reports.api.together import Known, Ready, Together
from reports.connect import writing
from reports.inserting import Kept
from reports.packing import Packed, pack
from reports.store import Store, open_store
from reports.tables import audit, bodies
from reports.tokens import Token
from runner.errors import ChaosctlError, Unreachable
from tests.reports._records import START, record

TOKEN = Token("abc", "ingest", "blue", "", "ada", 0.0, 9e9, None)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def put_at_once(store: Store, *many: Packed | Exception) -> tuple[list[Any], int]:
    """Let all wait for one turn, and return what each was told, in order, and how often something was committed."""
    commits: list[int] = []
    event.listen(store.engine, "commit", lambda _connection: commits.append(1))
    return asyncio.run(_put(Together(Answers(store)), many)), len(commits)


async def _put(together: Together, many: Sequence[Packed | Exception]) -> list[Any]:
    busy, let_go = threading.Event(), threading.Event()

    def wait(_known: Known) -> Ready:
        busy.set()
        assert let_go.wait(60)
        raise ValueError("has the turn")

    first = asyncio.create_task(together.put(wait))
    await asyncio.to_thread(busy.wait, 60)
    going = [asyncio.create_task(together.put(partial(_ready, one))) for one in many]
    await asyncio.sleep(0)
    assert len(together._waiting) == len(many)
    let_go.set()
    told, *found = await asyncio.gather(first, *going, return_exceptions=True)
    assert isinstance(told, ValueError)
    together.close()
    return [each if isinstance(each, BaseException) else each[1] for each in found]


def _ready(one: Packed | Exception, _known: Known) -> Ready:
    if isinstance(one, Exception):
        raise one
    return Ready(one, TOKEN, "here")


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


def test_one_that_is_none_is_told_so_and_the_others_are_stored(store: Store) -> None:
    one, other, wrong = pack(record(run="a")), pack(record(run="b")), ValueError("no record")
    assert put_at_once(store, one, wrong, other) == ([Kept.STORED, wrong, Kept.STORED], 1)


def test_a_store_that_is_away_is_asked_for_one_of_them_alone(store: Store) -> None:
    first, *others = (Unreachable(f"It does not answer {number}.") for number in range(5))
    assert put_at_once(store, first, *others, pack(record())) == ([first] * 6, 0)


@pytest.mark.parametrize("runs", [["same"] * 9, [f"r{number}" for number in range(9)]])
def test_a_store_that_goes_away_is_written_to_once_for_all(
    store: Store, monkeypatch: pytest.MonkeyPatch, runs: list[str]
) -> None:
    written: list[str] = []

    def hang(_self: Answers, _work: object) -> None:
        written.append("again")
        raise Unreachable("It does not answer.")

    monkeypatch.setattr(Answers, "written", hang)
    found, _ = put_at_once(store, *(pack(record(run=run)) for run in runs))
    assert [type(each) for each in found] == [Unreachable] * 9
    assert len(written) == 1


def test_a_run_whose_record_here_is_damaged_takes_no_other_along(store: Store) -> None:
    put_at_once(store, pack(record(run="old")))
    with writing(store.engine) as connection:
        connection.execute(update(bodies).values(body=b"junk"))
    other = pack(record(run="old", ended=START + 181))
    found, _ = put_at_once(store, pack(record(run="a")), other, pack(record(run="b")))
    assert (found[0], found[2]) == (Kept.STORED, Kept.STORED)
    assert isinstance(found[1], ChaosctlError)


def test_those_that_were_written_before_the_store_went_away_are_told_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Answers.written
    left = [KeyError("together they cannot be"), None, None]

    def fewer_and_fewer(self: Answers, work: Any) -> Any:
        if not left:
            raise Unreachable("It does not answer.")
        if error := left.pop(0):
            raise error
        return written(self, work)

    monkeypatch.setattr(Answers, "written", fewer_and_fewer)
    found, _ = put_at_once(store, *(pack(record(run=f"r{number}")) for number in range(4)))
    assert found[:2] == [Kept.STORED] * 2
    assert [type(each) for each in found[2:]] == [Unreachable] * 2


def test_what_comes_after_the_end_is_refused(store: Store) -> None:
    together = Together(Answers(store))
    together.close()
    with pytest.raises(Unreachable, match="ending"):
        asyncio.run(together.put(partial(_ready, pack(record()))))


def test_those_that_wait_when_it_closes_are_stored_first(store: Store) -> None:
    async def put() -> list[Any]:
        together = Together(Answers(store))
        many = [asyncio.create_task(together.put(partial(_ready, pack(record(run=f"r{n}"))))) for n in range(70)]
        await asyncio.sleep(0)
        await asyncio.to_thread(together.close)
        return await asyncio.gather(*many)

    assert [kept for _, kept in asyncio.run(put())] == [Kept.STORED] * 70
