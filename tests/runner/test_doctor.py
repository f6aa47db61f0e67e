"""What `chaosctl doctor` says of faults."""

import os
from pathlib import Path

import pytest
import yaml

from actions import _tc
from actions.network_delay import NetworkDelay
from actions.network_rate import NetworkRate
from runner.access import ENTER, Grant, Lack
from runner.discovery import names
from runner.doctor import Finding, _granted, _policy, examine
from runner.entry import Entry
from runner.errors import ChaosctlError
from runner.model import clock


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


def test_a_right_that_one_fault_needs_is_no_lack_of_the_others() -> None:
    """Node pods are enough for faults in networks; cordons and evictions are for node-drain alone."""
    grant = Grant("node-faults", "", [Lack("patch nodes", "node"), Lack("create pods/eviction", "node")])
    told = _granted(grant)
    allowed, _, denied = told.partition("; ")
    assert "network-dns" in allowed
    assert "node-drain" not in allowed
    assert denied == "not node-drain: may not patch nodes, create pods/eviction"
    assert "allows node-drain; not " in _granted(Grant("node-faults", "", [Lack("create pods", ENTER)]))
    assert _granted(Grant("pod-faults", "", [Lack("create configmaps", "")])) == "may not create configmaps"


def test_policy_of_an_earlier_version_is_told_with_what_to_do() -> None:
    earlier = {"/version": {"major": "1", "minor": "34"}}
    found = _policy(lambda path: earlier.get(path, {"metadata": {}}))
    assert not found.ok
    assert "of an earlier version" in found.told
    assert "applies it again: kubectl apply -f deploy/rbac/admission-faults.yaml" in found.fix


def test_what_is_live_in_the_cluster_is_told_on_every_machine(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "chaosctl.yaml"
    pinned = {"context": "none", "uid": "none", "kubeconfig": "/nowhere"}
    file.write_text(yaml.safe_dump({"default": "shared", "environments": {"shared": _environment(pinned)}}))
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(file))
    assert not _residue().ok, "a cluster that does not answer is not one with nothing in it"
    live = Entry("aa22bb33", "network-dns", "x", "shared", "ada@there pid 7", 0.0, clock() + 60, ())
    monkeypatch.setattr("runner.shared_ledger.entries", lambda _: (live,))
    monkeypatch.setattr("runner.shared_ledger.leftovers", lambda _chosen, _faults: ())
    monkeypatch.setattr("runner.shared_ledger.doubtful", lambda _: {})
    monkeypatch.setattr("runner.residue.strays", lambda: ())
    assert _residue().told == "1 faults are live or left something behind"
    monkeypatch.setattr("runner.shared_ledger.entries", lambda _: ())
    assert _residue().told == "nothing is live or left behind"
    monkeypatch.setattr("runner.shared_ledger.doubtful", lambda _: {"mesh": ChaosctlError("mesh is not obeyed", "x")})
    assert not _residue().ok


def _residue() -> Finding:
    return {finding.what: finding for finding in examine()}["residue"]


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


def test_damaged_file_of_the_ledger_is_told(state: Path) -> None:
    """That nothing is left behind is said only where all was read."""
    (state / "ledger").mkdir(parents=True)
    (state / "ledger" / "aa22bb33.json").write_text("{")
    [damaged, *_] = [finding for finding in examine() if finding.what == "residue"]
    assert not damaged.ok
    assert "aa22bb33.json is damaged" in damaged.told
