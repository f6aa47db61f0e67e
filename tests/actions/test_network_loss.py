"""network-loss, on two hosts of a test's own, by a kernel that has netem."""

from itertools import pairwise

import pytest

from actions.network_loss import NetworkLoss
from runner.errors import UsageError
from runner.parameters import build
from tests._wire import OTHER_V4, V4, V6, Wire, faulted, interval, within

PINGS = 500


def lost(answered: list[bool]) -> int:
    """Return how many got no answer."""
    return answered.count(False)


@pytest.mark.netem
def test_loses_that_share_and_no_other_packets(line: Wire) -> None:
    with faulted(line, "network-loss", target=V4, percent="20%") as made:
        within(lambda: lost(line.answered(V4, PINGS)), *interval(0.2, PINGS))
        assert all(line.answered(OTHER_V4, 100))
    assert made.hits is not None
    assert made.hits >= PINGS
    assert all(line.answered(V4, 100))


@pytest.mark.netem
def test_correlated_loss_comes_in_bursts_and_in_the_same_share(line: Wire) -> None:
    share, correlation = 0.3, 0.6
    after = share + correlation * (1 - share)

    def repeated() -> float:
        answered = line.answered(V6, 2 * PINGS)
        following = [second for first, second in pairwise(answered) if not first]
        assert 0.15 < lost(answered) / len(answered) < 0.45
        fewest, most = interval(after, len(following))
        return 0.0 if fewest <= lost(following) <= most else lost(following) / len(following)

    with faulted(line, "network-loss", target=V6, percent="30%", correlation="60%"):
        within(repeated, 0.0, 0.0)


def test_refuses_what_would_take_too_long_to_show() -> None:
    rare = build(NetworkLoss, {"target": V4, "percent": "0.01%"})
    with pytest.raises(UsageError, match=r"Ask for at least 0\.3"):
        rare.refuse(3600)
    with pytest.raises(UsageError, match="a duration of at least"):
        build(NetworkLoss, {"target": V4, "percent": "1%"}).refuse(1)
    with pytest.raises(UsageError, match="at most 90%"):
        build(NetworkLoss, {"target": V4, "percent": "1%", "correlation": "95%"})
