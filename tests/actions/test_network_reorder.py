"""network-reorder, on two hosts of a test's own, by a kernel that has netem."""

import re
from itertools import accumulate

import pytest

from actions.network_reorder import NetworkReorder
from runner.errors import UsageError
from runner.parameters import build
from tests._wire import OTHER_V4, V4, Wire, faulted, interval, within

PINGS = 500


def overtaken(line: Wire, address: str) -> int:
    """Return how many answers came after one to a later ping."""
    order = [int(found) for found in re.findall(r"icmp_seq=(\d+) ", line.ping(address, PINGS))]
    return sum(mine < latest for mine, latest in zip(order, accumulate(order, max), strict=True))


@pytest.mark.netem
def test_lets_that_share_overtake_and_no_other_packets(line: Wire) -> None:
    with faulted(line, "network-reorder", target=V4, percent="25%", delay="200ms"):
        # Whatever is held back is overtaken, unless nothing passes at once in all the time that it is late.
        within(lambda: overtaken(line, V4), *interval(0.75, PINGS))
        assert overtaken(line, OTHER_V4) == 0
    assert overtaken(line, V4) == 0


def test_refuses_what_leaves_nothing_to_overtake() -> None:
    with pytest.raises(UsageError, match="too few to be overtaken"):
        build(NetworkReorder, {"target": V4, "percent": "96%", "delay": "50ms"})
    with pytest.raises(UsageError, match="longer than 1s"):
        build(NetworkReorder, {"target": V4, "percent": "25%", "delay": "2s"})
