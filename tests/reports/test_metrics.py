"""What /metrics says of runs: how many of each verdict are in the window, each once, however many faults it had."""

import re
from collections.abc import Iterator

import pytest

from reports.cells import DAY, WINDOW
from reports.metrics import Metrics
from reports.record import Promise
from reports.standings import Standings
from reports.store import Store, open_store
from tests.reports._records import START, bad_at, fault, record, series

NOW = START + 10 * DAY
BOTH = fault(), fault(name="etcd-latency")
WEAK = (series(bad_at(*range(62, 100))),)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.keep(record(run="both", faults=BOTH))
        opened.keep(record(run="weak", started=START + DAY, series=WEAK))
        opened.keep(record(run="other", promise=Promise(service="orders")))
        opened.keep(record(run="nobody", promise=Promise()))
        opened.keep(record(run="by hand", kind="inject"))
        yield opened


def runs(metrics: Metrics, now: float) -> dict[tuple[str, str], int]:
    """Return how many runs there are by service and verdict."""
    found = re.findall(r'resilience_runs\{.*service="(\w*)",verdict="(\w+)"\} (\d+)', metrics.text(now))
    return {(service, verdict): int(number) for service, verdict, number in found}


def test_each_run_of_the_window_is_counted_once_and_what_changed_is_counted_again(store: Store) -> None:
    metrics = Metrics(store, Standings(store), {})
    first = {("payment", "pass"): 1, ("payment", "fail"): 1, ("orders", "pass"): 1, ("", "pass"): 1}
    assert runs(metrics, NOW) == first
    store.keep(record(run="again", started=START + 2 * DAY, faults=BOTH))
    store.keep(record(run="tomorrow", started=NOW + DAY, series=WEAK))
    more = first | {("payment", "pass"): 2}
    assert runs(metrics, NOW) == more == runs(Metrics(store, Standings(store), {}), NOW)
    assert runs(metrics, NOW + DAY) == more | {("payment", "fail"): 2}
    assert runs(metrics, START + WINDOW + 1) == {("payment", "pass"): 1, ("payment", "fail"): 2}
    assert runs(metrics, NOW + DAY + WINDOW + 1) == {}


def test_the_last_valid_run_and_its_fault_are_never_of_tomorrow(store: Store) -> None:
    store.keep(record(run="tomorrow", started=NOW + DAY, promise=Promise(service="ahead")))
    text = Metrics(store, Standings(store), {}).text(NOW)
    named = [line for line in text.splitlines() if 'service="ahead"' in line and "timestamp" in line]
    assert named == []
    again = Metrics(store, Standings(store), {}).text(NOW + DAY)
    assert len([line for line in again.splitlines() if 'service="ahead"' in line and "timestamp" in line]) == 3


def test_a_store_without_runs_has_metrics_too(url: str) -> None:
    with open_store(url) as store:
        assert runs(Metrics(store, Standings(store), {}), NOW) == {}
