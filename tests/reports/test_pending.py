"""What was acknowledged before it was judged: no reader misses it, and none sees it without its verdict."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from reports.connect import return_to, writing
from reports.copying import copy
from reports.history import RunSummary
from reports.inserting import Kept, insert_packed, insert_unjudged
from reports.metrics import Metrics
from reports.packing import hold, pack
from reports.pending import settle, settle_all
from reports.queries import CellKey, cells_of, history, last_runs
from reports.record import Promise, Record
from reports.retention import Ages, prune
from reports.standings import Standings
from reports.store import Store, open_store
from reports.tables import pending
from reports.verdict import judged
from runner.errors import ChaosctlError
from runner.model import Verdict, clock
from tests.reports._processes import go, processes, results
from tests.reports._records import START, bad_at, fault, random_record, record, series

OTHER = record(run="other", promise=Promise(service="orders"))
WEAK = record(run="weak", started=START + 1, series=(series(bad_at(*range(62, 100))),))
CELL = CellKey("payment", "network-dns", "lab", "blue")
MANY = [random_record(seed).model_copy(update={"run": f"run-{seed:02}"}) for seed in range(60)]

SETTLE = """
import sys
from reports import connect
from reports.pending import settle_all
from reports.standings import Standings
from reports.store import open_store
connect._BUSY_SECONDS = connect._LOCK_SECONDS = 100.0  # the machine may be slow
# go
with open_store(sys.argv[1]) as store:
    settle_all(store)
"""


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


def hand_over(store: Store, *many: Record, project: str = "blue") -> dict[str, Kept]:
    with writing(store.engine) as connection:
        return insert_unjudged(connection, [hold(each, each.canonical(), project) for each in many])


def left(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(pending)) or 0


READERS: dict[str, Callable[[Store], Any]] = {
    "a list": lambda store: [(row.run, row.verdict) for row in store.rows(9)] == [("weak", "fail"), ("run-1", "pass")],
    "of a service": lambda store: [row.verdict for row in store.rows(9, "payment")] == ["fail", "pass"],
    "by verdict": lambda store: [row.run for row in store.rows(9, verdict="fail")] == ["weak"],
    "of a project": lambda store: [row.score for row in store.rows(9, project="blue")][1] == 100.0,
    "one": lambda store: (row := store.row("weak")) and (row.verdict, row.faults) == ("fail", ("network-dns",)),
    "its record": lambda store: store.content("weak") == judged(WEAK).canonical(),
    "all records": lambda store: store.recorded() == ["run-1", "weak"],
    "cells": lambda store: cells_of(store) == [CELL],
    "a history": lambda store: history(store, 0) == [RunSummary.of(each) for each in (record(), WEAK)],
    "the latest": lambda store: last_runs(store, CELL) == [RunSummary.of(WEAK)],
    "metrics": lambda store: 'verdict="fail"} 1.0' in Metrics(store, Standings(store), {}).text(START + 60),
    "what is pruned": lambda store: prune(store, Ages(verdicts=-1e10), dry=True).samples == 0,
}


@pytest.mark.parametrize("reader", READERS)
def test_whoever_reads_finds_it_judged(store: Store, reader: str) -> None:
    assert hand_over(store, record(), WEAK) == {"run-1": Kept.STORED, "weak": Kept.STORED}
    assert READERS[reader](store)


def test_a_page_judges_what_is_on_it_and_a_service_what_is_its_own(store: Store) -> None:
    hand_over(store, record(), WEAK, OTHER)
    assert [row.verdict for row in store.rows(1)] == ["fail"]
    assert left(store) == 2
    cells_of(store, "payment")
    assert left(store) == 1
    assert [row.verdict for row in store.rows(9)] == ["fail", "pass", "pass"]
    assert left(store) == 0


def test_it_is_judged_to_the_same_bytes_as_a_record_that_did_not_wait(url: str, tmp_path: Path) -> None:
    with open_store(url) as store, open_store(f"sqlite:///{tmp_path}/direct.db") as direct:
        hand_over(store, *MANY)
        settle_all(store)
        direct.keep_packed([pack(each, "blue") for each in MANY])
        assert [vars(row) for row in store.rows(99)] == [vars(row) for row in direct.rows(99)]
        assert all(store.content(each.run) == direct.content(each.run) for each in MANY)
        assert history(store, 0) == history(direct, 0)


def test_what_a_sender_claims_of_it_counts_for_nothing(store: Store) -> None:
    hand_over(store, WEAK.model_copy(update={"judgement": judged(record()).judgement}))
    assert store.content("weak") == judged(WEAK).canonical()


def test_a_run_is_known_while_it_waits_and_afterwards(store: Store) -> None:
    other = record(ended=START + 181)
    hand_over(store, record())
    for _ in range(2):
        assert hand_over(store, record()) == {"run-1": Kept.PRESENT}
        assert hand_over(store, judged(record())) == {"run-1": Kept.PRESENT}
        assert hand_over(store, other) == {"run-1": Kept.CONFLICT}
        assert not store.keep(record())
        with pytest.raises(ChaosctlError, match="has another record"):
            store.keep(other)
        settle_all(store)
    assert store.record("run-1").ended == START + 180


def test_a_record_whose_samples_were_pruned_is_known_when_it_comes_in_a_bulk(store: Store) -> None:
    store.keep_packed([pack(record(started=1e9, ended=1e9 + 180), "blue")])
    prune(store, Ages(verdicts=1e10))
    assert hand_over(store, record(started=1e9, ended=1e9 + 180)) == {"run-1": Kept.PRESENT}
    assert hand_over(store, record(started=1e9, ended=1e9 + 181)) == {"run-1": Kept.CONFLICT}


def test_several_who_judge_the_same_runs_at_once_put_each_in_its_place_once(store: Store, url: str) -> None:
    hand_over(store, *MANY)
    with processes(SETTLE, [url] * 4) as settlers:
        go(settlers)
        results(settlers)
    assert left(store) == 0
    assert sorted(store.recorded()) == [each.run for each in MANY]
    assert len(history(store, 0)) == 60


def test_it_goes_along_with_a_copy_and_meets_what_is_there(store: Store, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/other.db") as other:
        hand_over(store, record(), WEAK)
        hand_over(other, record(ended=START + 181))
        copied = copy(store, other)
        assert (copied.runs, copied.new, len(copied.refused)) == (2, 1, 1)
        assert other.record("run-1").ended == START + 181
        assert other.content("weak") == judged(WEAK).canonical()


def test_it_is_judged_before_an_older_version_has_the_store(url: str) -> None:
    with open_store(url) as store:
        hand_over(store, *MANY)
    return_to("0003", url)
    with open_store(url) as store:
        assert sorted(store.recorded()) == [each.run for each in MANY]
        assert [row.service for row in store.rows(99)] == ["payment"] * 60


def test_figures_that_cannot_be_judged_are_an_error_and_no_score(store: Store) -> None:
    endless = record(series=(series(interval=5e-324),))
    hand_over(store, endless)
    (found,) = store.rows(9)
    assert (found.verdict, found.score) == ("error", None)
    assert store.record("run-1").judgement.verdict is Verdict.ERROR  # type: ignore[union-attr] # it has one


def test_one_that_is_damaged_is_named_and_never_judged(store: Store) -> None:
    hand_over(store, record())
    with writing(store.engine) as connection:
        connection.execute(update(pending).values(address="0" * 64))
    with pytest.raises(ChaosctlError, match="record of run run-1 is not the one that was stored"):
        settle(store, ["run-1"])
    assert left(store) == 1


def test_it_is_old_in_its_turn(store: Store) -> None:
    old = clock() - 800 * 86400
    hand_over(store, record(started=old, ended=old + 180))
    assert prune(store, Ages()).verdicts == 1
    assert (store.rows(9), left(store)) == ([], 0)


def test_several_faults_of_a_run_are_several_cells(store: Store) -> None:
    both: Sequence[Any] = (fault(), fault(name="etcd-latency"))
    hand_over(store, record(faults=both))
    assert [each.fault for each in cells_of(store)] == ["etcd-latency", "network-dns"]
    with writing(store.engine) as connection:
        assert insert_packed(connection, [pack(record(faults=both))]) == {"run-1": Kept.PRESENT}
