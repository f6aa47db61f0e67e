"""One wire for all tests of the faults network-*, found by each as it was made and left so by each."""

import os
from collections.abc import Iterator

import pytest

from tests._wire import Wire, wire


@pytest.fixture(scope="session")
def shared_wire() -> Iterator[Wire]:
    """Client, server and the wire between them."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with wire() as made:
        yield made


@pytest.fixture
def line(shared_wire: Wire, no_leaks: None) -> Iterator[Wire]:
    """That wire; afterwards its links, packet rules, qdiscs and classes are what they were."""
    before = shared_wire.state()
    yield shared_wire
    assert shared_wire.state() == before
