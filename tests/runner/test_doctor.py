"""What `chaosctl doctor` says of faults."""

import os
from pathlib import Path

import pytest
import yaml

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


def test_etcd_that_is_out_of_reach_is_said_with_what_can_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a managed cluster; it is none that could be asked here."""
    file = tmp_path / "chaosctl.yaml"
    pinned = {"context": "none", "uid": "none", "kubeconfig": "/nowhere"}
    file.write_text(yaml.safe_dump({"default": "managed", "environments": {"managed": _environment(pinned)}}))
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(file))
    found = {finding.what: finding for finding in examine()}["fault etcd-latency in managed"]
    assert found.ok, "nothing is missing that could be installed"
    assert found.told.startswith("etcd-latency cannot be had in this environment")
    assert "chaosctl inject api-latency" in found.fix


def _environment(pinned: dict[str, str]) -> dict[str, object]:
    return {"kind": "preproduction", "kubernetes": pinned}


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
