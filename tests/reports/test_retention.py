"""What is pruned, when, and what stays."""

import json
from collections.abc import Iterator

import pytest

from reports.queries import history
from reports.retention import Ages, Pruned, prune, rolled_up
from reports.store import Store, open_store
from reports.verdict import judged
from runner.errors import UsageError
from runner.model import Outcome, clock
from tests.reports._records import bad_at, events, record, series

DAY = 86400.0
AGES = {"new": 29.0, "month": 31.0, "year": 366.0, "ancient": 731.0, "pinned": 800.0}


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        for name, days in AGES.items():
            started = round(clock() - days * DAY, 3)
            opened.keep(record(run=name, started=started, ended=started + 180))
        opened.pin("pinned", "the outage of March")
        yield opened


def test_each_goes_at_its_age_and_a_dry_run_tells_exactly_that(store: Store) -> None:
    told = prune(store, Ages(), dry=True)
    assert len(store.recorded()) == 5, "nothing went"
    assert prune(store, Ages()) == told
    assert (told.samples, told.rollups, told.verdicts, told.pinned) == (3, 0, 1, 1)
    assert told.freed > 1000
    assert store.recorded() == ["pinned", "new"]
    assert sorted(row.run for row in store.rows(limit=9)) == ["month", "new", "pinned", "year"]
    assert sorted(run.run for run in history(store, 0)) == ["month", "new", "pinned", "year"]
    assert json.loads(store.rollup("month"))["judgement"]["score"] == 100.0
    for run in ("year", "new"):
        with pytest.raises(UsageError, match="no roll-up"):
            store.rollup(run)
    with pytest.raises(UsageError, match=r"samples of run month were pruned .* a roll-up of it remains"):
        store.record("month")


def test_what_was_pruned_is_not_pruned_again_and_a_rollup_goes_in_its_turn(store: Store) -> None:
    prune(store, Ages())
    assert prune(store, Ages()) == Pruned(0, 0, 0, 0, 1)
    later = Ages(samples=30 * DAY, rollups=30.5 * DAY)
    assert prune(store, later).rollups == 1
    with pytest.raises(UsageError, match="its verdict and figures remain"):
        store.record("month")
    assert store.row("month") is not None


def test_an_unpinned_run_is_subject_to_its_age_again(store: Store) -> None:
    store.pin("pinned", None)
    assert prune(store, Ages()).verdicts == 2


def test_a_rollup_sums_up_what_it_stands_for() -> None:
    whole = judged(record(series=(series(bad_at(61, 62)), series([Outcome.STALE], "p99")), events=events({70: 3})))
    told = rolled_up(whole.canonical())
    first, second = told["series"]
    assert sum(stretch["outcomes"].get("bad", 0) for stretch in first["stretches"]) == 2
    assert sum(sum(stretch["outcomes"].values()) for stretch in first["stretches"]) == 180
    assert len(first["stretches"]) == 20
    worst = next(stretch for stretch in first["stretches"] if "bad" in stretch["outcomes"])
    assert (worst["min"], worst["max"]) == (0.0, 42.0)
    assert second["stretches"] == [{"offset": 0.0, "outcomes": {"stale": 1}}]
    assert (told["events"]["all"], told["events"]["bad"]) == (18000.0, 3.0)
    assert told["faults"] == json.loads(whole.canonical())["faults"]
    assert len(json.dumps(told)) < len(whole.canonical()) * 0.8
