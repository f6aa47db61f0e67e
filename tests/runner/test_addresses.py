"""Addresses of names, as a real DNS server gives them to a target."""

import pytest

from runner.addresses import addresses
from runner.errors import Inconclusive
from tests._network import SERVER_V4, Network


def test_names_are_asked_along_the_search_path_for_both_families(net: Network) -> None:
    net.resolve_by([SERVER_V4])
    assert addresses(net.client, "10.1.2.3") == ("10.1.2.3",)
    assert addresses(net.client, "FD00:0::1") == ("fd00::1",)
    expected = ("10.0.0.1", "fd00::1")
    for name in ("redis-cluster", "redis-cluster.payment.svc", "redis-cluster.payment.svc.cluster.local."):
        assert addresses(net.client, name) == expected
    with pytest.raises(Inconclusive, match=r"gave none.*Nothing was touched"):
        addresses(net.client, "nobody")
