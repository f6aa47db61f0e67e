"""Delivery: each record once, whatever dies in between."""

import signal
import sqlite3
from pathlib import Path

import pytest

from reports import connect, sink, spool
from reports.record import Start
from reports.sink import Delivery
from reports.store import Row, open_store
from reports.verdict import judged
from runner.errors import Missing, Unreachable, UsageError
from tests._postgres import binaries, postgres
from tests.reports._processes import go, processes, results, run
from tests.reports._records import EXPERIMENT, ORIGIN, START, record

DELIVER = """
from reports import connect
from reports.sink import deliver
connect._BUSY_SECONDS = connect._LOCK_SECONDS = 100.0  # the machine may be slow
# go
pushed = deliver()
print(pushed.stored, pushed.present, len(pushed.refused))
"""

DELIVER_AND_DIE = """
import os, signal
from reports import sink, spool
removed = []
def remove(path, whole=spool.remove):
    removed.append(path)
    if len(removed) == 10:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(path)
spool.remove = remove
# go
sink.deliver()
"""

FINISH_ON_A_FULL_DISK = """
import resource
from reports.sink import finish
from tests.reports._records import record
resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))
print(finish(record()))
"""


def begin(run_id: str = "run-1", store_url: str = "") -> Delivery:
    return sink.begin(Start(run=run_id, experiment=EXPERIMENT, origin=ORIGIN, started=START), store_url)


def rows(store_url: str = "") -> list[Row]:
    with open_store(store_url) as store:
        return store.rows(limit=1000)


@pytest.fixture
def away(tmp_path: Path) -> str:
    """Return the URL of a store whose folder is not there."""
    return f"sqlite:///{tmp_path}/mounted/store.db"


def come_back(away: str) -> None:
    Path(away.removeprefix("sqlite:///")).parent.mkdir()


def test_a_run_goes_into_the_store_and_says_so(state: Path) -> None:
    assert str(begin()) == f"Stored in sqlite:///{state}/store.db."
    assert rows()[0].ended is None
    delivery = sink.finish(record())
    assert delivery == Delivery(f"sqlite:///{state}/store.db", record=judged(record()))
    assert (rows()[0].verdict, rows()[0].ended) == ("pass", START + 180)
    assert spool.waiting() == []


def test_a_store_that_is_away_costs_nothing_but_time(away: str) -> None:
    begun, ended = begin(store_url=away), sink.finish(record(), away)
    assert ended.record == judged(record())
    assert str(ended).startswith(f"Kept in {ended.place} until the store can take it: chaosctl report push. ")
    assert "No such file or directory" in ended.reason
    assert [str(path) for path in spool.waiting(away)] == [begun.place, ended.place]
    come_back(away)
    assert sink.deliver(away) == sink.Pushed(stored=1)
    assert spool.waiting(away) == []
    assert rows(away)[0].verdict == "pass"


def test_a_run_that_began_while_the_store_was_away_and_never_ended_is_seen(away: str) -> None:
    begin(store_url=away)
    come_back(away)
    assert sink.deliver(away) == sink.Pushed()
    assert [(row.run, row.ended) for row in rows(away)] == [("run-1", None)]


def test_a_start_that_arrives_after_its_record_changes_nothing(away: str) -> None:
    begin(store_url=away)
    come_back(away)
    sink.finish(record(), away)
    before = rows(away)
    sink.deliver(away)
    assert rows(away) == before
    assert spool.waiting(away) == []


@pytest.mark.timeout(300)
def test_a_store_away_for_a_whole_night_has_all_of_it_once_when_it_is_back(tmp_path: Path) -> None:
    """A PostgreSQL of its own, crashed before the first run of the night and started after the last."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: make setup installs it")
    night = [f"night-{number}" for number in range(12)]
    with postgres(programs) as server, server.database() as url:
        begin("evening", url)
        sink.finish(record(run="evening"), url)
        server.stop()
        for number, name in enumerate(night):
            begin(name, url)
            if number != 5:
                delivery = sink.finish(record(run=name, started=START + number), url)
                assert str(delivery).startswith("Kept in "), "it is told where its record is"
        assert len(spool.waiting(url)) == 12 + 11
        server.start()
        assert str(sink.finish(record(run="morning"), url)).startswith("Stored in "), "it brings the night with it"
        assert spool.waiting(url) == []
        assert sink.deliver(url) == sink.Pushed()
        found = rows(url)
        assert sorted(row.run for row in found) == sorted(["evening", *night, "morning"])
        assert [row.run for row in found if row.ended is None] == ["night-5"], "the one that was killed in the night"
        with open_store(url) as store:
            for number in (0, 11):
                kept = record(run=f"night-{number}", started=START + number)
                assert store.content(f"night-{number}") == judged(kept).canonical()


def test_a_locked_store_is_waited_for_and_then_spooled(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin()
    monkeypatch.setattr(connect, "_BUSY_SECONDS", 0.2)
    other = sqlite3.connect(state / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    delivery = sink.finish(record())
    assert "database is locked" in delivery.reason
    other.execute("ROLLBACK")
    other.close()
    assert sink.deliver() == sink.Pushed(stored=1)


def test_a_store_on_a_full_disk_leaves_the_record_in_the_spool() -> None:
    assert run(FINISH_ON_A_FULL_DISK).startswith("Kept in ")
    assert sink.deliver() == sink.Pushed(stored=1)
    assert rows()[0].verdict == "pass"


def test_a_store_that_a_newer_version_upgraded_meanwhile_leaves_the_record_in_the_spool(state: Path) -> None:
    begin()
    with sqlite3.connect(state / "store.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0999'")
    assert "a newer version wrote it" in sink.finish(record()).reason
    with pytest.raises(Missing):
        sink.deliver()
    assert len(spool.waiting()) == 1


def test_a_store_that_cannot_be_meant_is_told_before_the_run() -> None:
    with pytest.raises(UsageError):
        begin(store_url="nonsense")
    assert spool.stores() == []


def test_a_run_that_can_be_kept_nowhere_says_both_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    told = r"Nothing could be kept of this run\. The store .*spool/.* cannot be written"
    with pytest.raises(Unreachable, match=told):
        begin()
    with pytest.raises(Unreachable, match=told):
        sink.finish(record())


def test_a_crash_between_store_and_spool_neither_doubles_nor_loses(state: Path) -> None:
    path = spool.put(record())
    with open_store() as store:
        store.keep(record())
    assert path.exists()
    assert sink.deliver() == sink.Pushed(present=1)
    assert len(rows()) == 1
    assert not path.exists()


def test_a_pusher_that_is_killed_between_store_and_spool_neither_doubles_nor_loses() -> None:
    everything = {f"run-{number}" for number in range(30)}
    for name in everything:
        spool.put(record(run=name))
    with processes(DELIVER_AND_DIE, ["at the tenth"]) as (pusher,):
        go([pusher])
        assert pusher.wait() == -signal.SIGKILL
    assert len(spool.waiting()) == 21
    assert sink.deliver() == sink.Pushed(stored=20, present=1)
    assert {row.run for row in rows()} == everything
    assert len(rows()) == 30


def test_four_pushers_at_once_store_each_record_once() -> None:
    for number in range(60):
        spool.put(record(run=f"run-{number}"))
    with processes(DELIVER, ["a", "b", "c", "d"]) as pushers:
        go(pushers)
        figures = [[int(number) for number in line.split()] for line in results(pushers)]
    assert sum(stored for stored, _, _ in figures) == 60
    assert sum(refused for _, _, refused in figures) == 0
    assert len(rows()) == 60
    assert spool.waiting() == []


def test_what_cannot_be_delivered_stays_and_stops_nothing_else() -> None:
    with open_store() as store:
        store.keep(record(run="run-2"))
    damaged, second = spool.put(record(run="run-1")), spool.put(record(run="run-2", ended=START + 181))
    damaged.write_bytes(b"{")
    spool.put(record(run="run-3"))
    pushed = sink.deliver()
    assert pushed.stored == 1
    assert all(
        words in refused for words, refused in zip(("cannot be read", "another record"), pushed.refused, strict=True)
    )
    assert spool.waiting() == [damaged, second]
    assert {row.run for row in rows()} == {"run-2", "run-3"}


def test_nothing_in_the_spool_opens_no_store(away: str) -> None:
    assert sink.deliver(away) == sink.Pushed()


def test_a_store_that_is_still_away_is_told_with_what_waits_for_it(away: str) -> None:
    begin(store_url=away)
    sink.finish(record(), away)
    with pytest.raises(Unreachable, match="Nothing is lost; still in the spool: 2 files"):
        sink.deliver(away)
    assert len(spool.waiting(away)) == 2


def test_what_waits_for_another_store_stays(away: str) -> None:
    path = spool.put(record(), away)
    assert sink.deliver() == sink.Pushed()
    assert path.exists()
