"""network-duplicate, on two hosts of a test's own, by a kernel that has netem."""

import pytest

from tests._wire import OTHER_V4, V4, Wire, faulted, interval, within

PINGS = 500


def doubled(line: Wire, address: str) -> int:
    """Return how many pings were answered twice."""
    return line.ping(address, PINGS).count("(DUP!)")


@pytest.mark.netem
def test_sends_that_share_twice_and_no_other_packets(line: Wire) -> None:
    with faulted(line, "network-duplicate", target=V4, percent="10%"):
        within(lambda: doubled(line, V4), *interval(0.1, PINGS))
        assert doubled(line, OTHER_V4) == 0
    assert doubled(line, V4) == 0
