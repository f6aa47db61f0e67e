"""Bulks are judged behind their acknowledgement; what a dead server left, by the next one or by whoever asks."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from sqlalchemy import Table, func, select, update

from reports.api import background
from reports.api.background import Background
from reports.connect import writing
from reports.inserting import insert_unjudged
from reports.packing import hold
from reports.standings import Standings
from reports.store import Store, open_store
from reports.tables import pending, records, standings
from runner.model import clock
from tests.reports._records import record
from tests.reports.api.conftest import Api


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 100
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def count(store: Store, table: Table) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def test_a_bulk_is_judged_though_nobody_asks(api: Api) -> None:
    assert api.lines(*(record(run=f"r{number}") for number in range(120))).json()["stored"] == 120
    wait_until(lambda: count(api.store, records) == 120)
    assert count(api.store, pending) == 0


def test_bulks_that_follow_each_other_are_judged_after_the_last(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(background, "_QUIET_SECONDS", 0.04)
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: moment))
    api.lines(*(record(run=f"r{number}") for number in range(3)))
    threading.Event().wait(0.5)
    assert (count(api.store, records), count(api.store, pending)) == (0, 3)
    moment += 0.04
    wait_until(lambda: count(api.store, records) == 3)


def test_very_many_are_judged_while_others_follow(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 0.0
    monkeypatch.setattr(background, "_PUT_OFF", 3)
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: moment))
    api.lines(*(record(run=f"r{number}") for number in range(3)))
    wait_until(lambda: count(api.store, records) == 3)


def test_a_question_right_after_a_bulk_is_answered_of_all_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Background, "_settled", lambda *_: True)
    now = clock()
    api.lines(*(record(run=f"r{number}", started=now - 180 - number, ended=now) for number in range(60)))
    assert count(api.store, pending) == 60
    assert api.get("/api/v1/cells/payment/network-dns").json()["valid"] == 35
    assert count(api.store, pending) == 0
    assert api.get("/api/v1/runs/r7").content == api.store.record("r7").canonical()


def test_what_is_left_of_an_earlier_server_is_judged_first(url: str) -> None:
    with open_store(url) as store:
        made = [record(run=f"r{number}") for number in range(150)]
        with writing(store.engine) as connection:
            insert_unjudged(connection, [hold(each, each.canonical(), "") for each in made])
        working = Background(store, Standings(store), 0)
        working.start()
        wait_until(lambda: count(store, pending) == 0)
        working.close()
        assert count(store, records) == 150


def test_where_too_much_waits_a_bulk_is_judged_before_it_is_acknowledged(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_MOST", 10)
    assert api.lines(*(record(run=f"r{number}") for number in range(11))).json()["stored"] == 11
    assert (count(api.store, records), count(api.store, pending)) == (11, 0)


def test_a_damaged_one_is_told_and_stops_no_other(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with open_store(url) as store:
        many = [record(run=f"r{number}") for number in range(3)]
        with writing(store.engine) as connection:
            insert_unjudged(connection, [hold(each, each.canonical(), "") for each in many])
            connection.execute(update(pending).where(pending.c.run == "r1").values(address="0" * 64))
        working = Background(store, Standings(store), 0)
        working.start()
        wait_until(lambda: count(store, records) == 2)
        wait_until(lambda: "record of run r1 is not the one that was stored" in caplog.text)
        working.close()
        assert count(store, pending) == 1


def test_how_cells_stand_is_written_down_while_nothing_comes(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_REST_SECONDS", 0.01)
    api.lines(*(record(run=f"r{number}") for number in range(3)))
    wait_until(lambda: count(api.store, standings) == 1)


def test_nothing_is_written_down_while_single_runs_come(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[int] = []
    monkeypatch.setattr(background, "_REST_SECONDS", 0.01)
    monkeypatch.setattr(background, "_QUIET_SECONDS", 0)
    monkeypatch.setattr(Background, "_rest", lambda _: rests.append(0))
    moment = 0.0
    monkeypatch.setattr(background, "time", SimpleNamespace(monotonic=lambda: moment))
    api.lines(record())
    wait_until(lambda: len(rests) > 1)
    api.post(record(run="b"))
    before = len(rests)
    threading.Event().wait(0.5)
    assert len(rests) <= before + 1, "one was under way"
    moment += 1
    wait_until(lambda: len(rests) > before + 1)
