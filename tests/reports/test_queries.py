"""What cells are computed from: the same summaries as of the records themselves, found by service, fault and age."""

from collections.abc import Iterator

import pytest

from reports.history import RunSummary
from reports.packing import pack
from reports.queries import CellKey, cells_of, history, last_runs
from reports.record import Promise
from reports.store import Store, open_store
from tests.reports._records import START, fault, record, target

DAY = 86400.0
PROVEN = record(run="a", faults=(fault(name="etcd-latency"), fault()))
UNMET = record(run="b", started=START + DAY, faults=(fault(target(hits=0)),))
OTHER = record(run="c", started=START + 2 * DAY, promise=Promise(service="orders", weight=3, required=False))
ELSEWHERE = record(run="d", started=START + 3 * DAY, origin=PROVEN.origin.model_copy(update={"environment": "dev"}))
BY_HAND = record(run="e", kind="inject", promise=Promise())


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.keep_packed([pack(each) for each in (PROVEN, UNMET, OTHER, BY_HAND)])
        opened.keep_packed([pack(ELSEWHERE, "blue")])
        yield opened


def test_summaries_are_those_of_the_records(store: Store) -> None:
    assert history(store, 0) == [RunSummary.of(each) for each in (PROVEN, BY_HAND, UNMET, OTHER, ELSEWHERE)]


def test_history_is_chosen_by_age_service_fault_environment_and_project(store: Store) -> None:
    assert [each.run for each in history(store, START + DAY)] == ["b", "c", "d"]
    assert [each.run for each in history(store, 0, "payment", ["network-dns"])] == ["a", "b", "d"]
    assert [each.run for each in history(store, 0, "payment", ["etcd-latency"])] == ["a"]
    assert [each.run for each in history(store, 0, "payment", environment="dev")] == ["d"]
    assert [each.run for each in history(store, 0, project="blue")] == ["d"]
    assert "d" not in [each.run for each in history(store, 0, project="")]


def test_cells_are_known_by_what_ever_ran_and_an_injection_is_none(store: Store) -> None:
    assert cells_of(store) == [
        CellKey("orders", "network-dns", "lab", ""),
        CellKey("payment", "etcd-latency", "lab", ""),
        CellKey("payment", "network-dns", "dev", "blue"),
        CellKey("payment", "network-dns", "lab", ""),
    ]
    assert cells_of(store, "payment", "lab", "") == [
        CellKey("payment", "etcd-latency", "lab", ""),
        CellKey("payment", "network-dns", "lab", ""),
    ]


def test_the_latest_run_of_a_cell_may_be_invalid(store: Store) -> None:
    cell = CellKey("payment", "network-dns", "lab", "")
    assert [each.run for each in last_runs(store, cell)] == ["b"]
    assert [each.run for each in last_runs(store, cell, valid=True)] == ["a"]
