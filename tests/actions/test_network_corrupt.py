"""network-corrupt, on two hosts of a test's own, by a kernel that has netem."""

import re

import pytest

from tests._wire import OTHER_V4, V4, Wire, faulted, interval, within

PINGS = 500


def refused_sums(line: Wire) -> int:
    """Return how many packets the server has discarded because their checksum was wrong."""
    said = line.run("nstat", "-asz", "IpInHdrErrors", "IcmpInCsumErrors", on=line.server)
    return sum(int(found) for found in re.findall(r"Errors +(\d+)", said))


@pytest.mark.netem
def test_damages_that_share_and_no_other_packets(line: Wire) -> None:
    before = refused_sums(line)
    with faulted(line, "network-corrupt", target=V4, percent="20%"):
        # A bit that is flipped in the frame's source address harms nothing, so some less than 20% show.
        fewest, most = interval(0.15, PINGS)[0], interval(0.2, PINGS)[1]
        within(lambda: line.answered(V4, PINGS).count(False), fewest, most)
        assert all(line.answered(OTHER_V4, 100))
    assert refused_sums(line) - before > 10
    assert all(line.answered(V4, 100))
