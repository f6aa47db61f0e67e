"""What all tests share: a state directory of their own, and the promise that nothing is left behind."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from runner import ledger, residue
from tests._network import OURS, Network, network


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CHAOSCTL_NO_SKIPS is set, as in CI, what cannot run has failed: a skip is not a pass."""
    report = yield
    if report.skipped and os.environ.get("CHAOSCTL_NO_SKIPS"):
        report.outcome = "failed"
    return report


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
    """Assert afterwards that no fault, live or inert, is left in the ledger or in a namespace of these tests."""
    yield
    assert [entry.id for entry in ledger.entries()] == []
    assert [entry.sentence for entry in residue.strays() if OURS in entry.sites[0].target] == []


@pytest.fixture
def net(no_leaks: None) -> Iterator[Network]:
    """A client and a DNS server, each in a network namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with network() as made:
        yield made
