"""What `chaosctl doctor` says of faults."""

from pathlib import Path

import pytest

from runner.discovery import names
from runner.doctor import examine


def test_rights_in_a_cluster_are_no_debian_packages(state: Path) -> None:
    """They are named as what a cluster must grant; whether it does is said of the environment that has one."""
    found = {finding.what: finding for finding in examine()}
    assert found["fault pod-kill"].told == "needs a cluster, and there delete on pods in that namespace"
    assert not found["fault pod-kill"].fix


def test_a_program_that_is_missing_is_named_with_its_package(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault that needs it says so, and none is left out."""
    monkeypatch.setenv("PATH", str(state))
    found = {finding.what: finding for finding in examine()}
    assert {f"fault {name}" for name in names()} <= found.keys()
    assert "lacks nft" in found["fault network-dns"].told
    assert "apt-get install nftables" in found["fault network-dns"].fix
