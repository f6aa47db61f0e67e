"""Which new pods of a selection take a fault; a stand-in tells of pods as a watch would (see tests/kubernetes)."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from runner.cluster import Event
from runner.parameters import build
from runner.pods import Arrivals, _Pod, _trimmed
from runner.selection import Selection

PATH = "/api/v1/namespaces/payment/pods"


class Told:
    """Stands in for a cluster: its watch yields what a test puts into it."""

    environment = "lab"

    def __init__(self) -> None:
        self.events: queue.Queue[Event | None] = queue.Queue()

    def watch(self, _path: str, _version: str, stop: threading.Event, **_: str) -> Iterator[Event]:
        while not stop.is_set() and (event := self.events.get()):
            yield event


def item(name: str, running: bool = True, app: str = "api", host: bool = False) -> dict[str, Any]:
    state: dict[str, Any] = {"running": {}} if running else {"waiting": {}}
    return {
        "metadata": {
            "namespace": "payment",
            "name": name,
            "uid": name,
            "labels": {"app": app},
            "resourceVersion": "1",
        },
        "spec": {"nodeName": "worker-01", "hostNetwork": host},
        "status": {"phase": "Running" if running else "Pending", "containerStatuses": [{"state": state}]},
    }


def pod(name: str) -> _Pod:
    return trimmed(item(name))


def trimmed(told: Mapping[str, Any]) -> _Pod:
    """Return what is kept of a pod where its network is to be entered."""
    return _trimmed(told, "app", enters=True)


Watching = Callable[..., tuple[Told, Arrivals]]


@pytest.fixture
def watching() -> Iterator[Watching]:
    """Makes what watches for the pods of app=api, given who was there and who of them took the fault."""
    made: list[tuple[Told, Arrivals]] = []

    def begin(replicas: str, there: str, taken: str) -> tuple[Told, Arrivals]:
        told = Told()
        selection = build(Selection, {"namespace": "payment", "selector": "app=api", "replicas": replicas})
        usable, have = ([pod(name) for name in names.split()] for names in (there, taken))
        made.append((told, Arrivals(told, PATH, "1", selection, trimmed, usable, have)))  # type: ignore[arg-type]
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
    assert arrivals.standing() == ("In the end 3 of 3 pods of payment/api had it.",)


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
    assert arrivals.standing() == ("In the end 2 of 4 pods of payment/api had it.",)


def test_where_nobody_came_nothing_is_told(watching: Watching) -> None:
    told, arrivals = watching("50%", "a b", "a")
    assert tell(told, arrivals, Event("MODIFIED", item("a"))) == []
    assert arrivals.standing() == ()
