"""Namespaces with nothing in them, for faults that need no resolver."""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator

import pytest

from runner.targets.netns import Netns, reach
from tests._network import OURS

Make = Callable[[], Netns]


@pytest.fixture
def namespaces(no_leaks: None) -> Iterator[Make]:
    """Makes network namespaces, each removed afterwards."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made: list[Netns] = []

    def make() -> Netns:
        at = reach(f"ct-{OURS}-{secrets.token_hex(3)}")
        made.append(at)
        subprocess.run(["ip", "netns", "add", at.namespace], check=True)
        subprocess.run(["ip", "-n", at.namespace, "link", "set", "lo", "up"], check=True)
        return at

    yield make
    for at in made:
        subprocess.run(["ip", "netns", "del", at.namespace], capture_output=True, check=False)


@pytest.fixture
def namespace(namespaces: Make) -> Netns:
    """One network namespace."""
    return namespaces()
