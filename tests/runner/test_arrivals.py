"""Which new pods of a selection take a fault; a stand-in tells of pods as a watch would (see tests/kubernetes)."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from runner.arrivals import Arrivals, Pod, trimmed
from runner.cluster import Event
from runner.parameters import build
from runner.selection import Pick, Selection, Share

PATH = "/api/v1/namespaces/payment/pods"


class Told:
    """Stands in for a cluster: its watch yields what a test puts into it."""

    environment = "lab"

    def __init__(self) -> None:
        self.events: queue.Queue[Event | None] = queue.Queue()

    def watch(self, _path: str, _version: str, stop: threading.Event, **_: str) -> Iterator[Event]:
        while not stop.is_set() and (event := self.events.get()):
            yield event


def item(
    name: str, running: bool = True, app: str = "api", host: bool = False, namespace: str = "payment"
) -> dict[str, Any]:
    state: dict[str, Any] = {"running": {}} if running else {"waiting": {}}
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": name,
            "labels": {"app": app},
            "resourceVersion": "1",
        },
        "spec": {"nodeName": "worker-01", "hostNetwork": host},
        "status": {"phase": "Running" if running else "Pending", "containerStatuses": [{"state": state}]},
    }


def pod(name: str) -> Pod:
    return kept(item(name))


def kept(told: Mapping[str, Any]) -> Pod:
    """Return what is kept of a pod where its network is to be entered."""
    return trimmed(told, "app", enters=True)


Watching = Callable[..., tuple[Told, Arrivals]]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Makes what watches for the pods of app=api, given who was there and who of them took the fault."""
    made: list[tuple[Told, Arrivals]] = []

    def begin(replicas: str, there: str, taken: str) -> tuple[Told, Arrivals]:
        told = Told()
        selection = build(Selection, {"namespace": "payment", "selector": "app=api", "replicas": replicas})
        usable, have = ([pod(name) for name in names.split()] for names in (there, taken))
        made.append((told, Arrivals(told, PATH, "1", selection, kept, usable, have)))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for told, arrivals in made:
        arrivals.close()
        told.events.put(None)


def tell(told: Told, arrivals: Arrivals, *events: Event) -> list[str]:
    """Tell of pods, and return which of them take the fault, once the last was heard of."""
    for event in (*events, Event("ADDED", item("last", app="other"))):
        told.events.put(event)
    limit = time.monotonic() + 30
    while not told.events.empty() and time.monotonic() < limit:
        time.sleep(0.01)
    told.events.put(Event("ADDED", item("truly-last", app="other")))
    while not told.events.empty() and time.monotonic() < limit:
        time.sleep(0.01)
    return [target.name.rpartition("/")[2] for target in arrivals.fresh()]


def test_all_new_pods_take_it_where_all_are_meant(watching: Watching) -> None:
    told, arrivals = watching("all", "a b", "a b")
    events = (
        Event("ADDED", item("c", running=False)),
        Event("MODIFIED", item("c")),
        Event("MODIFIED", item("c")),
        Event("ADDED", item("d", host=True)),
        Event("ADDED", item("e", app="other")),
        Event("MODIFIED", item("a")),
    )
    assert tell(told, arrivals, *events) == ["c"], "once, when it runs; others are not meant or have it"
    arrivals.took("pod:lab/payment/c")
    assert arrivals.standing() == ("In the end 3 of 3 pods of payment/api had it.",)


def test_pod_of_a_namespace_that_nobody_asked_takes_none(watching: Watching) -> None:
    """A selection may be of all namespaces, and its guardrails ruled on those that had such pods."""
    told, arrivals = watching("all", "a", "a")
    elsewhere = Event("ADDED", item("b", namespace="shop"))
    assert tell(told, arrivals, elsewhere, Event("ADDED", item("c"))) == ["c"]


@pytest.mark.parametrize("replicas", ["1", "50%"])
def test_pod_that_the_fault_keeps_from_running_still_has_it(watching: Watching, replicas: str) -> None:
    """It counts until it is gone: otherwise another would take the fault in its place."""
    told, arrivals = watching(replicas, "a b", "a")
    failing = item("a", running=False)
    assert tell(told, arrivals, Event("MODIFIED", failing), Event("ADDED", item("c"))) == []
    assert arrivals.standing() == ("In the end 1 of 3 pods of payment/api had it.",)
    assert tell(told, arrivals, Event("DELETED", failing), Event("ADDED", item("d"))) == ["d"]


@pytest.mark.parametrize(
    ("replicas", "taken", "take"),
    [("50%", "a", ["d", "f"]), ("1", "a", []), ("2", "a b", []), ("25%", "a", ["h"])],
)
def test_number_or_share_is_kept_while_pods_come(
    watching: Watching, replicas: str, taken: str, take: list[str]
) -> None:
    told, arrivals = watching(replicas, "a b", taken)
    assert (
        tell(told, arrivals, *(Event("ADDED", item(name)) for name in "cdefgh"[: 4 if replicas == "50%" else 6]))
        == take
    )


def test_newcomer_takes_the_place_of_one_that_went(watching: Watching) -> None:
    told, arrivals = watching("50%", "a b c d", "a b")
    assert tell(told, arrivals, Event("DELETED", item("c")), Event("ADDED", item("e"))) == []
    assert tell(told, arrivals, Event("DELETED", item("a")), Event("ADDED", item("f"))) == ["f"]
    arrivals.took("pod:lab/payment/f")
    assert arrivals.standing() == ("In the end 2 of 4 pods of payment/api had it.",)


def test_where_nobody_came_nothing_is_told(watching: Watching) -> None:
    told, arrivals = watching("50%", "a b", "a")
    assert tell(told, arrivals, Event("MODIFIED", item("a"))) == []
    assert arrivals.standing() == ()


def test_only_those_that_took_it_count_as_having_it(watching: Watching) -> None:
    """One that was handed out may be refused, or the fault may not show there; so may one of the first ones."""
    told, arrivals = watching("all", "a b", "a b")
    assert tell(told, arrivals, *(Event("ADDED", item(name)) for name in "cd")) == ["c", "d"]
    arrivals.took("pod:lab/payment/c")
    arrivals.gave_up("pod:lab/payment/d")
    arrivals.gave_up("pod:lab/payment/a")
    assert arrivals.standing() == ("In the end 2 of 4 pods of payment/api had it.",)


def test_another_takes_it_instead_of_one_that_did_not(watching: Watching) -> None:
    told, arrivals = watching("1", "a b", "a")
    gone = Event("DELETED", item("a"))
    assert tell(told, arrivals, gone, Event("ADDED", item("c")), Event("ADDED", item("d"))) == ["c"]
    arrivals.gave_up("pod:lab/payment/c")
    assert tell(told, arrivals, Event("ADDED", item("e"))) == ["e"]


def test_newcomer_is_proposed_with_those_that_have_the_fault_now(watching: Watching) -> None:
    told, arrivals = watching("all", "a b", "a b")
    tell(told, arrivals, Event("DELETED", item("a")), *(Event("ADDED", item(name)) for name in "cde"))
    arrivals.took("pod:lab/payment/c")
    found = arrivals.proposed("pod:lab/payment/d")
    assert found.hit == 3, "b, c and this one: a is gone, and e has not taken it"
    assert found.shares == (Share("payment/api", 3, 4),)
    assert found.picks == (Pick("pod:lab/payment/d", "d", "payment", "payment/api", "worker-01"),)
