"""Cells kept in memory and in the store: always as their runs are, and computed again only where something changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select, update

from reports.cells import DAY, WINDOW, Key
from reports.connect import writing
from reports.copying import copy
from reports.packing import pack
from reports.portable import cell_data
from reports.queries import cells_of
from reports.retention import Ages, prune
from reports.standings import Standings
from reports.store import Store, open_store
from reports.tables import standings as table
from runner.model import clock
from tests.reports._records import START, bad_at, fault, record, series

DNS, ETCD = Key("lab", "payment", "network-dns"), Key("lab", "payment", "etcd-latency")
NOW = START + 10 * DAY


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.keep(record(run="a", faults=(fault(), fault(name="etcd-latency"))))
        opened.keep(record(run="b", started=START + DAY))
        yield opened


@contextmanager
def asked(store: Store) -> Iterator[list[Any]]:
    """Collect which faults' runs the store is asked for."""
    found: list[Any] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM results" in statement:
            values = parameters.values() if isinstance(parameters, dict) else parameters
            found.append(sorted(str(each) for each in values if str(each) in (DNS.fault, ETCD.fault)))

    event.listen(store.engine, "before_cursor_execute", note)
    yield found
    event.remove(store.engine, "before_cursor_execute", note)


def runs(standings: Standings, store: Store, now: float = NOW, project: str | None = None) -> dict[str, int]:
    """Return how many valid runs each cell has.

    One that remembers nothing, and one that reads what another wrote down, must say the same, and so must the runs.
    """
    ran = cells_of(store, project=project)
    found = standings.standing(ran, project, now)
    anew = Standings(store)
    assert anew.standing(ran, project, now) == found
    anew.refresh(now, lambda: False)
    assert Standings(store).standing(ran, project, now) == found
    for key, each in found.items():
        assert cell_data(standings.whole(key, project, now)) == cell_data(each.cell)
    return {key.fault: each.cell.valid for key, each in found.items()}


def test_what_did_not_change_is_not_read_again(store: Store) -> None:
    standings = Standings(store)
    with asked(store) as first:
        one = standings.cells(cells_of(store), None, NOW)
    with asked(store) as second:
        again = standings.cells(cells_of(store), None, NOW + 60)
    assert (first, second) == ([["etcd-latency", "network-dns"]], [])
    assert one[DNS] is again[DNS]


def test_what_was_written_down_is_read_by_the_next_process_and_its_runs_are_not(store: Store) -> None:
    Standings(store).refresh(NOW, lambda: False)
    with asked(store) as found:
        read = Standings(store).standing(cells_of(store), None, NOW)
    assert found == []
    assert (read[DNS].cell.valid, read[DNS].cell.low, read[DNS].window) == (2, 0.0, (START + 60, START + 121))


def test_while_nothing_changes_no_cell_is_looked_at_and_what_was_computed_since_is_written_down(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    standings = Standings(store)
    standings.refresh(NOW, lambda: False)
    standings.cells(cells_of(store, project=""), "", NOW)
    looked: list[Any] = []
    monkeypatch.setattr(standings, "standing", lambda *asked: looked.append(asked))
    standings.refresh(NOW, lambda: False)
    assert looked == []
    with asked(store) as found:
        Standings(store).cells(cells_of(store, project=""), "", NOW)
    assert found == []


def test_what_another_formula_came_to_is_computed_again(store: Store) -> None:
    Standings(store).refresh(NOW, lambda: False)
    with writing(store.engine) as connection:
        connection.execute(update(table).values(formula="1.1"))
    with asked(store) as found:
        Standings(store).cells(cells_of(store), None, NOW)
    assert found == [["etcd-latency", "network-dns"]]


def test_a_server_that_ends_stops_computing(store: Store) -> None:
    Standings(store).refresh(NOW, lambda: True)
    with store.engine.connect() as connection:
        assert connection.execute(select(table)).all() == []


def test_what_another_process_stores_is_seen_at_once_and_only_that_cell_is_read(store: Store, url: str) -> None:
    standings = Standings(store)
    assert runs(standings, store) == {"network-dns": 2, "etcd-latency": 1}
    with open_store(url) as theirs:
        theirs.keep(record(run="c", started=START + 2 * DAY, series=(series(bad_at(*range(62, 100))),)))
    with asked(store) as found:
        standings.cells(cells_of(store), None, NOW)
    assert found == [["network-dns"]]
    assert runs(standings, store) == {"network-dns": 3, "etcd-latency": 1}


def test_a_run_leaves_with_the_window_and_one_of_tomorrow_comes_with_its_time(store: Store) -> None:
    standings = Standings(store)
    store.keep(record(run="tomorrow", started=NOW + DAY))
    for now, valid in ((NOW, 2), (NOW + DAY, 3), (START + WINDOW, 3), (START + WINDOW + 1, 2), (NOW + WINDOW, 1)):
        assert runs(standings, store, now)["network-dns"] == valid, now


def test_projects_are_kept_apart(store: Store) -> None:
    standings = Standings(store)
    store.keep_packed([pack(record(run="blue", started=START + DAY), "blue")])
    assert runs(standings, store)["network-dns"] == 3
    assert runs(standings, store, project="blue") == {"network-dns": 1}
    assert runs(standings, store, project="")["network-dns"] == 2
    store.keep_packed([pack(record(run="blue-2", started=START + DAY), "blue")])
    assert runs(standings, store)["network-dns"] == 4
    assert runs(standings, store, project="blue") == {"network-dns": 2}


def test_copied_runs_are_a_change(store: Store, tmp_path: Any) -> None:
    standings = Standings(store)
    runs(standings, store)
    with open_store(f"sqlite:///{tmp_path}/other.db") as other:
        other.keep(record(run="theirs", started=START + 3 * DAY))
        copy(other, store)
    assert runs(standings, store) == {"network-dns": 3, "etcd-latency": 1}


def test_pruned_runs_are_a_change(url: str) -> None:
    now = clock()
    with open_store(url) as store:
        store.keep_packed([pack(record(run=f"r{days}", started=now - days * DAY)) for days in (1, 3)])
        standings = Standings(store)
        assert runs(standings, store, now) == {"network-dns": 2}
        prune(store, Ages(samples=2 * DAY, rollups=2 * DAY, verdicts=2 * DAY))
        assert runs(standings, store, now) == {"network-dns": 1}
