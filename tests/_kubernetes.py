"""What tests on a cluster do there by themselves, besides chaosctl: make pods, ask in them, look what is left."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from kubernetes.stream.ws_client import WSClient

from lab import health
from lab.kubernetes import checks
from lab.kubernetes.names import CONTROL_PLANE, NODES
from lab.plan import Lab
from runner.cluster import Cluster, cluster
from runner.config import current
from runner.errors import ChaosctlError
from tests._kube import Kube

OURS = "/api/v1/namespaces/chaosctl"
PARAMETERS = "/api/v1/namespaces/chaosctl-parameters/configmaps"
GUARDIANS = "/api/v1/namespaces/chaosctl-guardians/pods"
NODE_GUARDIANS = "/api/v1/namespaces/chaosctl-node-guardians/pods"
_JOBS = tuple(f"/apis/batch/v1/namespaces/chaosctl-{kind}/jobs" for kind in ("guardians", "node-guardians"))
administrator: Cluster | None = None
"""The cluster as whoever may see all of it; set while a test has it."""

PAYMENT = "/api/v1/namespaces/payment/pods"
RESOLVERS = {
    "glibc": ("getent", "hosts"),
    "busybox": ("busybox", "nslookup"),
    "musl": ("resolve-musl",),
    "Go": ("resolve",),
    "dnspython": (
        "python3",
        "-c",
        "import dns.resolver, sys; r = dns.resolver.Resolver(); r.lifetime = 4; "
        "r.use_search_by_default = True; print(*r.resolve(sys.argv[1], search=True))",
    ),
}


def here() -> Cluster:
    """Return the cluster of the tests."""
    return cluster(current().name)


def until(what: str, holds: Callable[[], Any], limit: float = 90.0) -> Any:
    """Return what holds as soon as it does; a generous limit, because the machine may be slow."""
    end = time.monotonic() + limit
    while True:
        try:
            if found := holds():
                return found
        except ChaosctlError:
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, f"{what} did not come to be within {limit:g} s"
        time.sleep(0.25)


def ready(pod: dict[str, Any] | None) -> bool:
    """Return whether a pod is ready and stays."""
    conditions = pod["status"].get("conditions", ()) if pod else ()
    stays = pod is not None and "deletionTimestamp" not in pod["metadata"]
    return stays and any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def running(app: str) -> list[dict[str, Any]]:
    """Return the ready pods of an app of the payment system."""
    return [pod for pod in here().items(PAYMENT, None, labelSelector=f"app={app}").items if ready(pod)]


@contextmanager
def pod(name: str, image: str, app: str, node: str = "", **spec: Any) -> Iterator[str]:
    """Run a pod that waits in namespace payment, and remove it; yields its name."""
    at = here()
    container = {
        "name": "main",
        "image": f"chaosctl.lab/{image}:lab",
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "exec sleep 3600"],
    }
    manifest = {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "1"}]},
            **({"nodeName": node} if node else {}),
            **spec,
        },
    }
    at.delete(f"{PAYMENT}/{name}", gracePeriodSeconds=0)
    until("the old pod's end", lambda: at.find(f"{PAYMENT}/{name}") is None)
    at.create(PAYMENT, manifest)
    try:
        until(f"pod {name}", lambda: ready(at.find(f"{PAYMENT}/{name}")))
        yield name
    finally:
        at.delete(f"{PAYMENT}/{name}", gracePeriodSeconds=0)


def execute(name: str, *argv: str) -> tuple[bool, str]:
    """Run a command in a pod of the payment system; returns whether it succeeded, and what it printed.

    One that could not be run at all is no failure of the command.
    """
    at = here()
    query = [("container", "main"), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in argv)]
    url = f"{at._settings.host.replace('http', 'ws', 1)}{PAYMENT}/{name}/exec?{urlencode(query)}"
    client = WSClient(at._settings, url, at._headers(), capture_all=True)
    client.run_forever(timeout=60)
    status = json.loads(client.read_channel(3) or "{}")
    succeeded = status.get("status") == "Success"
    assert succeeded or status.get("reason") == "NonZeroExitCode", f"it was not run: {status.get('message')}"
    return succeeded, client.read_all()


def renewed(kube: Kube, node: str, moment: datetime) -> bool:
    """Return whether a node's renewal of its lease with this moment would be let through; nothing is changed."""
    lease = {"spec": {"renewTime": moment.isoformat(timespec="microseconds")}}
    kubelet = ("--as", f"system:node:{node}", "--as-group=system:nodes", "--as-group=system:authenticated")
    try:
        kube.kubectl(
            *(*kubelet, "--namespace=kube-node-lease", "patch", "lease", node, "--type=merge", "--dry-run=server"),
            *("--patch", json.dumps(lease)),
        )
    except AssertionError as error:
        if "chaosctl lets no heartbeat" not in str(error):
            raise
        return False
    return True


def settle() -> None:
    """Wait until the cluster is as it was when it came up, however the test before it ended.

    What that test may have left is told by itself; here it only must not become the next one's trouble.
    """
    try:
        until("nothing of ours", lambda: not left(), 30)
    except AssertionError:
        for path in _ours():
            here().delete(path, gracePeriodSeconds=0, propagationPolicy="Background")
    until("a whole cluster", lambda: not _ailing(), 180)
    for name in _doubled():
        here().delete(f"{PAYMENT}/{name}", gracePeriodSeconds=0)
    until("replicas in all zones", lambda: not (_ailing() or _doubled()), 60)


def settle_payments(lab: Lab) -> None:
    """Wait until no payment has failed for a window: an experiment would have it for its baseline.

    payment-pooled never forgets an address. Where its Redis was replaced it is started anew.
    """
    begun = time.monotonic()
    fresh = False
    while trouble := health.trouble(checks.has_traffic, lab, NODES[CONTROL_PLANE]):
        waited = time.monotonic() - begun
        assert waited < 120, trouble
        if waited > 3 * lab.window and "payment-pooled" in trouble and not fresh:
            fresh = True
            for each in running("payment-pooled"):
                here().delete(f"{PAYMENT}/{each['metadata']['name']}", gracePeriodSeconds=0)
        time.sleep(0.5)


def _ailing() -> list[str]:
    """Return the nodes that are not ready, and the workloads that have too few pods, or too many."""
    at = here()
    found = [node["metadata"]["name"] for node in at.items("/api/v1/nodes").items if not ready(node) or _lost(node)]
    pods = at.items("/api/v1/pods").items
    for kind in ("deployments", "statefulsets"):
        for item in at.items(f"/apis/apps/v1/{kind}").items:
            meta, labels = item["metadata"], item["spec"]["selector"]["matchLabels"].items()
            its = [
                pod
                for pod in pods
                if pod["metadata"]["namespace"] == meta["namespace"] and labels <= pod["metadata"]["labels"].items()
            ]
            if len(its) != item["spec"]["replicas"] or not all(map(ready, its)):
                found.append(f"{meta['namespace']}/{meta['name']}")
    return found


def _lost(node: dict[str, Any]) -> bool:
    return any(taint["effect"] == "NoExecute" for taint in node["spec"].get("taints", ()))


def _doubled() -> list[str]:
    """Return the pods that share a node with another of their kind, though there is a node for each."""
    found, seen = [], set()
    for app in ("payment-api", "redis-cluster"):
        for each in running(app):
            place = app, each["spec"]["nodeName"]
            found += [each["metadata"]["name"]] if place in seen else []
            seen.add(place)
    return found


def left() -> list[str]:
    """Return what of ours is in the cluster: ledger entries, sessions, node pods, parameters and guardians.

    An administrator looks, whoever else the test is: who has a fault may not list Jobs.
    """
    return ["/".join(path.split("/")[-2:]) for path in _ours()]


def _ours() -> list[str]:
    at = administrator or here()
    found = [
        f"{place}/{item['metadata']['name']}"
        for place in (f"{OURS}/pods", f"{OURS}/configmaps", PARAMETERS, GUARDIANS, NODE_GUARDIANS, *_JOBS)
        for item in at.items(place).items
    ]
    return [path for path in found if not path.endswith("/configmaps/kube-root-ca.crt")]
