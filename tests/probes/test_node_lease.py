"""The watch of a node's lease where it hears nothing; a stand-in tells of the node as a cluster would."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from probes.node_lease import NodeWatch
from runner.cluster import Event
from runner.errors import Unreachable
from runner.listing import Listing
from runner.model import Look, Sight, clock, iso

_NODE = {
    "metadata": {"uid": "node", "name": "worker-03"},
    "spec": {},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


class Told:
    """Stands in for a cluster; its watches tell nothing, and what is asked for is the lease as it is."""

    def __init__(self) -> None:
        self.renewed = clock()
        self.away = False

    def items(self, path: str, *_: Any, **__: str) -> Listing:
        found = {"leases": [self._lease()], "nodes": [_NODE]}
        return Listing(found.get(path.rpartition("/")[2], []), "1")

    def find(self, _path: str) -> dict[str, Any]:
        if self.away:
            raise Unreachable("The API server does not answer.")
        return self._lease()

    def watch(self, _path: str, _version: str, stop: threading.Event, *_: Any, **__: str) -> Iterator[Event]:
        stop.wait()
        yield from ()

    def _lease(self) -> dict[str, Any]:
        return {"metadata": {"uid": "lease"}, "spec": {"renewTime": iso(self.renewed), "leaseDurationSeconds": 4}}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watched(told: Told) -> Iterator[NodeWatch]:
    made = NodeWatch(told, "worker-03")  # type: ignore[arg-type]
    made.open()
    yield made
    made.close()


def _before(seconds: float) -> Look:
    now = clock() - seconds
    return Look(now, now, Sight.ABSENT, "", {})


def _heard(watched: NodeWatch, seconds: float) -> None:
    """Let the last renewal be so old."""
    at = clock() - seconds
    watched.account.renewals = [(at, at)]


def test_silence_is_the_nodes_where_its_lease_says_so(told: Told, watched: NodeWatch) -> None:
    _heard(watched, 5)
    told.renewed = clock() - 5
    assert watched.look(_before(6)).sight is Sight.PRESENT


def test_silence_of_a_watch_is_no_silence_of_the_node(told: Told, watched: NodeWatch) -> None:
    _heard(watched, 5)
    told.renewed = clock()
    assert watched.look(_before(6)).sight is Sight.ABSENT


def test_nothing_is_shown_while_the_api_server_does_not_answer(told: Told, watched: NodeWatch) -> None:
    _heard(watched, 5)
    told.away = True
    with pytest.raises(Unreachable):
        watched.look(_before(6))
    with pytest.raises(Unreachable):
        watched.achieved(clock() - 4, clock())


def test_renewal_that_was_not_heard_of_came_through_all_the_same(told: Told, watched: NodeWatch) -> None:
    now = clock()
    _heard(watched, 30)
    told.renewed = now - 10
    assert watched.achieved(now - 25, now).sight is Sight.UNCLEAR


def test_node_that_is_ahead_may_renew_a_moment_before_the_end(told: Told, watched: NodeWatch) -> None:
    """The policy goes by the node's clock, which may be two seconds off ours."""
    now = clock()
    watched._skew = 1.5
    watched.account.renewals = [(now - 30, now - 28.5), (now - 1.4, now + 0.1)]
    told.renewed = now + 0.1
    assert watched.achieved(now - 25, now).sight is Sight.PRESENT
    watched.account.renewals.append((now - 10, now - 8.5))
    assert watched.achieved(now - 25, now).sight is Sight.UNCLEAR
