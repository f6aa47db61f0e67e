"""What `chaosctl doctor` says of faults."""

import os
from pathlib import Path

import pytest

from actions import _tc
from actions.network_delay import NetworkDelay
from actions.network_rate import NetworkRate
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


@pytest.mark.skipif(os.geteuid() != 0, reason="a kernel is tried in network namespaces, which need root")
def test_what_the_kernel_has_not_is_refused_by_name(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs and privileges are there; a fault that can be had in another way says which way is not."""
    monkeypatch.setattr(NetworkDelay, "kind", "nonesuch delay 1ms")
    monkeypatch.setattr(NetworkRate, "kind", "pfifo")
    monkeypatch.setattr(_tc, "delay", lambda *_: "nonesuch delay 1us")
    found = {finding.what: finding for finding in examine()}
    refused = found["fault network-delay"]
    assert not refused.ok
    assert refused.told == "is refused here: this kernel has no `nonesuch delay 1ms`"
    assert refused.fix.startswith("`modprobe sch_nonesuch` shows why. On Debian")
    assert found["fault network-rate"].ok
    slow = found["fault etcd-latency"]
    assert slow.ok
    assert "; without --percentile it is refused here: this kernel has no `nonesuch delay 1us`" in slow.told
    assert "modprobe" in slow.fix
