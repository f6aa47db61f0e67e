"""What the API server's own histogram bears out of etcd-latency; stand-ins write and count."""

from typing import Any

import pytest

from probes.api_server import ApiServer
from runner.listing import Listing
from runner.model import Look, Sight, clock

_LINE = 'etcd_request_duration_seconds_bucket{{operation="update",le="{}"}} {}\n'


class Counting:
    """Stands in for the cluster of an API server, and for the writer beside it."""

    def __init__(self, *counts: tuple[int, int]) -> None:
        self._counts = iter(counts)

    def get(self, _path: str) -> dict[str, Any]:
        return {"status": {"addresses": [{"address": "10.0.0.1"}]}}

    def items(self, *_: Any, **__: str) -> Listing:
        return Listing([{"endpoints": [{"addresses": ["10.0.0.1"]}]}], "1")

    def text(self, _path: str) -> str:
        quick, all_of_them = next(self._counts)
        return _LINE.format(2, quick) + _LINE.format("+Inf", all_of_them)

    def open(self) -> None:
        """Begin."""

    def look(self, _before: Look | None) -> Look:
        return Look(clock(), clock(), Sight.ABSENT, "")

    def achieved(self, since: float, until: float) -> Look:
        return Look(since, until, Sight.PRESENT, "P99 of 2.5s")


@pytest.mark.parametrize(
    ("after", "sight"),
    [((190, 200), Sight.PRESENT), ((200, 200), Sight.UNCLEAR), ((5, 6), Sight.UNCLEAR)],
)
def test_histogram_has_to_show_writes_that_were_slow(after: tuple[int, int], sight: Sight) -> None:
    """The last was counted by a server that was started anew, or by another one: less than there was before."""
    made: Any = Counting((90, 100), (90, 100), after) if after == (5, 6) else Counting((90, 90), (100, 100), after)
    seen = ApiServer(made, "control-plane", made, 2.5)
    seen.open()
    seen.look(None)
    assert seen.achieved(clock() - 1, clock()).sight is sight
