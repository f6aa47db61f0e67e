"""Services as they were written: always as their cells are, and written again only where one of these is another."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from reports.api import told
from reports.api.told import Told
from reports.cells import DAY, WINDOW
from reports.packing import pack
from reports.portable import service_data
from reports.queries import cells_of
from reports.record import Promise
from reports.services import Declared
from reports.standings import Standings
from reports.store import Store, open_store
from tests.reports._records import START, fault, record

NOW = START + 10 * DAY
PAYMENT, ORDERS = ("payment", "lab"), ("orders", "lab")


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        opened.keep(record(run="a", faults=(fault(), fault(name="etcd-latency"))))
        opened.keep(record(run="other", promise=Promise(service="orders")))
        yield opened


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the services that were written, in their order."""
    names: list[str] = []

    def writing(service: Any) -> Any:
        names.append(service.name)
        return service_data(service)

    monkeypatch.setattr(told, "service_data", writing)
    return names


def ask(kept: Told, store: Store, now: float = NOW, project: str | None = None) -> list[dict[str, Any]]:
    """Return what is told; one that remembers nothing must tell the same."""
    ran, anew = cells_of(store, project=project), Told(Standings(store), {})
    wanted = sorted({(each.service, each.environment) for each in ran}, reverse=True)
    found = [orjson.dumps(each) for each in kept.services(ran, wanted, project, now)]
    assert [orjson.dumps(each) for each in anew.services(ran, wanted, project, now)] == found
    return [orjson.loads(each) for each in found]


def test_only_what_changed_is_written_again(store: Store, written: list[str]) -> None:
    kept = Told(Standings(store), {})
    assert [each["service"] for each in ask(kept, store)] == ["payment", "orders"]
    assert written == ["payment", "orders"] * 2
    ask(kept, store, NOW + 60)
    assert written[4:] == ["payment", "orders"], "by the other one alone"
    store.keep(record(run="b", started=START + DAY))
    assert [each["cell"]["valid"] for each in ask(kept, store)[0]["required"]] == [1, 2]
    assert written[6:] == ["payment", "payment", "orders"]


def test_a_run_leaves_with_the_window(store: Store) -> None:
    kept = Told(Standings(store), {})
    assert [ask(kept, store, now)[1]["coverage"] for now in (NOW, START + WINDOW, START + WINDOW + 1)] == [
        1.0,
        1.0,
        0.0,
    ]


def test_projects_are_kept_apart_and_what_is_required_counts_in_each(store: Store) -> None:
    store.keep_packed([pack(record(run="blue", started=START + DAY), "blue")])
    kept = Told(Standings(store), {"lab": {"payment": Declared(owner="ada", requires={"pod-kill": 1.0})}})
    for project, owner, states in (
        (None, "ada", {"etcd-latency": "covered", "network-dns": "covered", "pod-kill": "never run"}),
        ("blue", "", {"network-dns": "covered", "pod-kill": "never run"}),
        ("", "", {"etcd-latency": "covered", "network-dns": "covered", "pod-kill": "never run"}),
    ):
        (text,) = kept.services(cells_of(store, "payment", project=project), [PAYMENT], project, NOW)
        found = orjson.loads(orjson.dumps(text))
        assert (found["owner"], {each["fault"]: each["state"] for each in found["required"]}) == (owner, states)
        assert found["coverage"] == pytest.approx(1 - 1 / len(states))


def test_the_least_asked_for_are_forgotten(store: Store, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(told, "_KEPT", 1)
    kept = Told(Standings(store), {})
    for place in (PAYMENT, PAYMENT, ORDERS, PAYMENT):
        kept.services(cells_of(store, place[0]), [place], None, NOW)
    assert written == ["payment", "orders", "payment"]
