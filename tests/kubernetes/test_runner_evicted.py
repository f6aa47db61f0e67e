"""A runner that is itself a pod of the cluster: evicted, it undoes its fault first."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lab.kubernetes.names import IMAGE, SERVICE_API
from runner.config import current
from tests._cli import chaosctl
from tests._kubernetes import OURS, here, left, until

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_ARGS = (
    "inject",
    "network-dns",
    "--env=inside",
    "--namespace=payment",
    "--selector=app=payment-pooled",
    "--replicas=all",
    "--target=redis-cluster",
    "--duration=300s",
)


@pytest.fixture
def runner(kube: Any) -> Iterator[str]:
    """Run chaosctl in a pod, as the service account that deploy/rbac grants its rights; yields the pod's name."""
    at = here()
    at.create(f"{OURS}/configmaps", _files(str(current().environment.kubernetes.uid)))  # type: ignore[union-attr]
    at.create(f"{OURS}/pods", _pod())
    try:
        until("its fault", _is_live)
        yield "runner"
    finally:
        for path in ("pods/runner", "configmaps/runner"):
            at.delete(f"{OURS}/{path}", gracePeriodSeconds=0)
    assert until("nothing of ours", lambda: not left())


def test_evicted_runner_undoes_its_fault_and_says_so(runner: str) -> None:
    at = here()
    at.create(
        f"{OURS}/pods/{runner}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": runner}}
    )
    until("the end of its fault", lambda: not _faults())
    until("the end of the runner", lambda: at.find(f"{OURS}/pods/{runner}") is None)


def _is_live() -> bool:
    phase = here().get(f"{OURS}/pods/runner")["status"].get("phase")
    assert phase != "Failed", here().text(f"{OURS}/pods/runner/log")
    return any(each["state"] == "live" for each in _faults())


def _faults() -> list[dict[str, Any]]:
    said = chaosctl("faults", "--output=json")
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = json.loads(said.out)
    return [each for each in found if each["fault"] == "network-dns"]


def _files(uid: str) -> dict[str, Any]:
    named = {
        "name": "c",
        "cluster": {"server": f"https://{SERVICE_API}:443", "certificate-authority": f"{_ACCOUNT}/ca.crt"},
    }
    user = {"name": "u", "user": {"tokenFile": f"{_ACCOUNT}/token"}}
    context = {"name": "inside", "context": {"cluster": "c", "user": "u"}}
    kubeconfig = {"apiVersion": "v1", "kind": "Config", "clusters": [named], "users": [user], "contexts": [context]}
    pinned = {"context": "inside", "kubeconfig": "/etc/chaosctl/kubeconfig", "uid": uid, "image": IMAGE}
    configuration = {"environments": {"inside": {"kind": "lab", "kubernetes": pinned}}}
    return {
        "metadata": {"name": "runner"},
        "data": {"kubeconfig": json.dumps(kubeconfig), "chaosctl.yaml": json.dumps(configuration)},
    }


def _pod() -> dict[str, Any]:
    container = {
        "name": "runner",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "args": list(_ARGS),
        "env": [
            {"name": "CHAOSCTL_CONFIG", "value": "/etc/chaosctl/chaosctl.yaml"},
            {"name": "XDG_STATE_HOME", "value": "/state"},
        ],
        "volumeMounts": [{"name": "files", "mountPath": "/etc/chaosctl"}, {"name": "state", "mountPath": "/state"}],
    }
    return {
        "metadata": {"name": "runner"},
        "spec": {
            "serviceAccountName": "chaosctl",
            "automountServiceAccountToken": True,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 30,
            "containers": [container],
            "volumes": [{"name": "files", "configMap": {"name": "runner"}}, {"name": "state", "emptyDir": {}}],
        },
    }
