"""Whether each part of the cluster does its work; asked over the network, by those who use it."""

import ssl
from functools import lru_cache
from pathlib import Path

import httpx

from lab import health
from lab.kubernetes.names import NODES, PROMETHEUS_PORT, api
from lab.plan import Lab

__all__ = ["answers", "has_traffic", "is_node", "is_ready", "prometheus", "scrapes", "uid"]

_JOBS = {"apiserver", "etcd", "kube-dns", "nodes", "payment-api", "payment-ledger", "payment-pooled", "payment-stale"}
_LOST = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}


def answers(lab: Lab, _number: int = 0) -> str:
    """Ask the API server whether it is ready."""
    reply = _get(lab, "/readyz")
    return "" if reply.status_code == 200 else f"/readyz says {reply.text[:200].strip()}"


def is_node(lab: Lab, number: int) -> str:
    """Ask the API server whether a node is ready, and may be given pods."""
    name = next(name for name, own in NODES.items() if own == number)
    reply = _get(lab, f"/api/v1/nodes/{name}")
    if reply.status_code != 200:
        return f"the API server knows no node {name} ({reply.status_code})"
    conditions: list[dict[str, str]] = reply.json()["status"].get("conditions", [])
    ready = [found for found in conditions if found["type"] == "Ready"]
    if ready and ready[0]["status"] == "True":
        lost = _LOST & {taint["key"] for taint in reply.json()["spec"].get("taints", ())}
        return f"it is ready, but still has the taint {lost.pop()}" if lost else ""
    return f"it is not ready: {ready[0].get('message', '') if ready else 'its kubelet said nothing yet'}"


def is_ready(lab: Lab, kind: str, namespace: str, name: str) -> str:
    """Ask whether all pods of a workload are ready; `kind` is `deployments` or `statefulsets`."""
    reply = _get(lab, f"/apis/apps/v1/namespaces/{namespace}/{kind}/{name}")
    if reply.status_code != 200:
        return f"the API server knows no {kind} {namespace}/{name} ({reply.status_code})"
    wanted, ready = reply.json()["spec"]["replicas"], reply.json()["status"].get("readyReplicas", 0)
    return "" if ready == wanted else f"{ready} of {wanted} pods are ready"


def scrapes(lab: Lab, number: int) -> str:
    """Ask Prometheus whether it has found all parts of the cluster, and reaches them."""
    targets = health.query(prometheus(lab, number), "up")
    missing = _JOBS - {series["metric"]["job"] for series in targets}
    if missing:
        return f"these were not scraped yet: {', '.join(sorted(missing))}"
    down = sorted({series["metric"]["job"] for series in targets if series["value"][1] != "1"})
    return f"these targets are down: {', '.join(down)}" if down else ""


def has_traffic(lab: Lab, number: int) -> str:
    """Ask Prometheus whether the successful payments of all services become more."""
    return health.payments(prometheus(lab, number), lab.window)


def prometheus(lab: Lab, number: int) -> str:
    """Return the URL of Prometheus; every node leads there."""
    return f"http://{lab.address(number)}:{PROMETHEUS_PORT}"


def uid(lab: Lab) -> str:
    """Return who this cluster is: the UID of its namespace kube-system, which nothing changes."""
    found: str = _get(lab, "/api/v1/namespaces/kube-system").raise_for_status().json()["metadata"]["uid"]
    return found


def _get(lab: Lab, path: str) -> httpx.Response:
    pki = lab.state / "pki"
    return _client(pki, api(lab), (pki / "admin.crt").stat().st_mtime_ns).get(path)


@lru_cache(maxsize=4)
def _client(pki: Path, server: str, _made: int) -> httpx.Client:
    """Return a client for a cluster, or for the next one of that name: its certificates were made at another time."""
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.Client(base_url=server, verify=context, timeout=3.0, trust_env=False, limits=limits)
