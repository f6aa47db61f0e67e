"""What all tests share: a state directory of their own, and the promise that nothing is left behind."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import ledger, residue
from tests._network import Network, network

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep ledger, store and spool of each test to itself, and leave out the user's configuration."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CHAOSCTL_ENV", raising=False)
    monkeypatch.delenv("CHAOSCTL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "chaosctl"


@pytest.fixture
def no_leaks(state: Path) -> Iterator[None]:
    """Assert afterwards that no fault, live or inert, is left in the ledger or in any namespace of this machine."""
    before = {(entry.id, entry.sites[0].target) for entry in residue.strays()}
    yield
    assert [entry.id for entry in ledger.entries()] == []
    assert {(entry.id, entry.sites[0].target) for entry in residue.strays()} - before == set()


@pytest.fixture
def net(no_leaks: None) -> Iterator[Network]:
    """A client and a DNS server, each in a network namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with network() as made:
        yield made
