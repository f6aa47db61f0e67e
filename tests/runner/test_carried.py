"""What a node carries that must not go with it; a stand-in says what is on it, and tests say where we are."""

import socket
from pathlib import Path
from typing import Any

import pytest

from runner import carried
from runner.config import Kubernetes
from runner.listing import Listing

LONG = f"nightly-{'x' * 54}-z-28471"


def item(name: str, labels: dict[str, str] | None = None, address: str = "10.1.0.7", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "chaosctl", "name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"podIP": address, "podIPs": [{"ip": address}]},
    }


class Told:
    """Stands in for a cluster with some pods on each node."""

    pinned = Kubernetes(context="lab", uid="u")

    def __init__(self, *pods: dict[str, Any]) -> None:
        self._pods = list(pods)

    def items(self, _path: str, **_: str) -> Listing:
        return Listing(self._pods, "1")


NODE: dict[str, Any] = {
    "metadata": {"name": "worker-03"},
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.3"},
            {"type": "Hostname", "address": "worker-03"},
        ]
    },
}


def found(*pods: dict[str, Any]) -> list[str]:
    return carried.carried(Told(*pods), NODE)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """We are in a pod whose host name says nothing, and whose addresses are no other pod's."""
    for name in ("CHAOSCTL_POD", "POD_NAME", "CHAOSCTL_NAMESPACE", "POD_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    monkeypatch.setattr(carried, "_addresses", lambda: ["10.9.9.9"])
    monkeypatch.setattr(carried, "_ACCOUNT", tmp_path / "namespace")


def test_others_are_no_chaosctl() -> None:
    assert found(item("runner"), item(LONG)) == []


@pytest.mark.parametrize("name", ["runner", LONG])
def test_pod_is_known_by_its_host_name_which_may_be_cut(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name[:63].rstrip("-"))
    assert found(item(name), item("other")) == [f"chaosctl itself ({name})"]


@pytest.mark.parametrize("variable", ["CHAOSCTL_POD", "POD_NAME"])
def test_pod_in_the_nodes_network_is_known_by_what_it_was_told(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "worker-03")
    monkeypatch.setenv(variable, "runner")
    assert found(item("runner", hostNetwork=True)) == ["chaosctl itself (runner)"]
    monkeypatch.setenv("POD_NAMESPACE", "another")
    assert found(item("runner", hostNetwork=True)) == [], "a namesake"


def test_pod_is_known_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "_addresses", lambda: ["10.1.0.7"])
    assert found(item("runner"), item("other", address="10.1.0.8")) == ["chaosctl itself (runner)"]


def test_node_is_known_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a runner in the node's network that was told nothing, or one on the node that is in no pod."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    monkeypatch.setattr(carried, "_addresses", lambda: ["10.0.0.3"])
    pod = item("runner", address="10.0.0.3", hostNetwork=True)
    assert found(pod) == ["chaosctl itself (10.0.0.3 is an address of this machine)"]


@pytest.mark.parametrize("app", ["prometheus", "postgresql"])
@pytest.mark.parametrize("label", ["app", "app.kubernetes.io/name"])
def test_prometheus_and_store_are_known_by_either_label(label: str, app: str) -> None:
    assert found(item("x", {label: app})) == [f"chaosctl/x ({label}={app})"]


def test_addresses_are_those_of_this_network_that_not_every_machine_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Linux tells them; a part of two files from a real machine."""
    monkeypatch.undo()
    routes, newer = tmp_path / "fib_trie", tmp_path / "if_inet6"
    routes.write_text(
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.3\n"
        "        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 10.0.0.255\n"
        "        /32 link BROADCAST\n"
    )
    newer.write_text(
        "fe80000000000000000000fffe000001 02 40 20 80     eth0\n"
        "fd000000000000000000000000000003 02 40 00 80     eth0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
    )
    monkeypatch.setattr(carried, "_ROUTES", routes)
    monkeypatch.setattr(carried, "_NEWER", newer)
    assert list(carried._addresses()) == ["10.0.0.3", "fd00::3"]
    monkeypatch.setattr(carried, "_ROUTES", tmp_path / "none")
    assert list(carried._addresses()) == ["fd00::3"]
