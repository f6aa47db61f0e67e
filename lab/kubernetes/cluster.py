"""The lab as a cluster: what it is made of, what is in it, and what the configuration is told of it."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

from lab.commands import run
from lab.health import trouble
from lab.hosts import ETCD_HOST, Host
from lab.kubernetes import checks, machines
from lab.kubernetes.binaries import require
from lab.kubernetes.images.unpacked import unpack
from lab.kubernetes.names import CLUSTER_DNS, CONTROL_PLANE, IMAGE, NODES, PROMETHEUS_PORT, REGISTRY, pods_of
from lab.kubernetes.services import READY
from lab.plan import Lab
from lab.zone import CLUSTER, ETCD
from runner.errors import Unreachable
from runner.model import format_duration

__all__ = ["HOSTS", "environment", "furnish", "prepare", "resolv_conf"]

_MANIFESTS = Path(__file__).parent / "manifests"
_FOUNDATION, _PAYMENTS = "[0-2]*.yaml", "[3-9]*.yaml"
# What an administrator grants; it is not part of the installed product.
_RIGHTS = Path(__file__).parent.parent.parent / "deploy" / "rbac"
_PATIENCE = 180.0
# Parts that are not of the payment system are looked at no more often: their answers are long.
_SLOW = 5.0

Say = Callable[[str], None]


def _node(name: str) -> Host:
    return Host(name, NODES[name], partial(_command, node=name), checks.is_node, limit=240.0, every=0.5)


def _command(lab: Lab, node: str) -> tuple[str, ...]:
    return machines.command(lab, node)


def _workload(name: str, namespace: str, kind: str = "deployments") -> Host:
    def check(lab: Lab, _number: int) -> str:
        return checks.is_ready(lab, kind, namespace, name)

    return Host(name, NODES[CONTROL_PLANE], None, check, limit=240.0, every=0.5, namespace=namespace)


HOSTS = (
    ETCD_HOST,
    *(_node(name) for name in NODES),
    _workload("coredns", "kube-system"),
    Host("prometheus", NODES[CONTROL_PLANE], None, checks.scrapes, limit=240.0, every=0.5, scrapes=3),
    _workload("redis-cluster", "payment", "statefulsets"),
    _workload("payment-api", "payment"),
    _workload("payment-pooled", "payment"),
    _workload("payment-stale", "payment"),
    _workload("payment-ledger", "ledger"),
    Host("traffic", NODES[CONTROL_PLANE], None, checks.has_traffic, limit=240.0, every=0.5, scrapes=3),
)


def resolv_conf(_lab: Lab) -> str:
    """Return the resolver configuration of the nodes themselves."""
    return f"nameserver {CLUSTER_DNS}\nsearch {CLUSTER} cluster.local\noptions timeout:1 attempts:1\n"


def prepare(lab: Lab, lock: int, say: Say) -> None:
    """Make what the nodes start from, and the routes between their pods; raises Missing for programs."""
    programs = require()
    started = time.monotonic()
    images = unpack(programs)
    machines.prepare(lab, lock, images)
    for name in NODES:
        routes = [
            f"route add {pods_of(other)} via {lab.address(number)}" for other, number in NODES.items() if other != name
        ]
        run(["ip", "-n", lab.namespace(name), "-batch", "-"], lock, "\n".join(routes))
    routes = [f"route add {pods_of(node)} via {lab.address(number)}" for node, number in NODES.items()]
    run(["ip", "-n", lab.namespace(ETCD_HOST.name), "-batch", "-"], lock, "\n".join(routes))
    say(f"{lab.name}: certificates and images for {len(NODES)} nodes ({format_duration(time.monotonic() - started)})")


def furnish(lab: Lab, lock: int, say: Say) -> None:
    """Wait for the API server, and tell it what runs in the cluster; raises Unreachable.

    The payment system waits for the nodes: put where there is room while one is missing, it would not be on that one.
    """
    started = time.monotonic()
    _await(lab, "The API server", CONTROL_PLANE, "kube-apiserver", checks.answers)
    for node in NODES:
        machines.directory(lab, node).joinpath(READY).touch()
    say(f"{lab.name}: the API server is ready ({format_duration(time.monotonic() - started)})")
    _apply(lab, lock, _FOUNDATION)
    for node in NODES:
        _await(lab, f"Node {node}", node, "kubelet", checks.is_node)
    _apply(lab, lock, _PAYMENTS)
    if _RIGHTS.is_dir():
        kubectl(lab, lock, "", "apply", "--server-side", "--force-conflicts", "-f", str(_RIGHTS))
    say(f"{lab.name}: kubectl --kubeconfig {machines.kubeconfig(lab)} works now")


def _await(lab: Lab, what: str, node: str, program: str, check: Callable[[Lab, int], str]) -> None:
    started = time.monotonic()
    while problem := trouble(check, lab, NODES[node]):
        if time.monotonic() - started > _PATIENCE:
            raise Unreachable(
                f"{what} of lab {lab.name!r} was not ready within {format_duration(_PATIENCE)}: {problem}.",
                f"Its log, while the lab is there: {machines.directory(lab, node)}/log/{program}.log",
            )
        time.sleep(0.1)


def _apply(lab: Lab, lock: int, files: str) -> None:
    kubectl(lab, lock, _manifests(lab, files), "apply", "--server-side", "--force-conflicts", "-f", "-")


def kubectl(lab: Lab, lock: int, stdin: str, *arguments: str) -> str:
    """Run kubectl as an administrator of the cluster, and return what it printed; raises CommandFailed."""
    program = str(require()["kubectl"])
    own = ("--kubeconfig", str(machines.kubeconfig(lab)), "--cache-dir", str(lab.state / "kubectl"))
    return run([program, *own, *arguments], lock, stdin)


def _manifests(lab: Lab, files: str) -> str:
    slow = max(_SLOW, lab.scrape_interval)
    values = {
        "registry": REGISTRY,
        "cluster_dns": CLUSTER_DNS,
        "etcd": lab.address(ETCD),
        "interval": f"{lab.scrape_interval * 1000:.0f}ms",
        "timeout": f"{min(lab.scrape_interval, 10) * 1000:.0f}ms",
        "slow_interval": f"{slow * 1000:.0f}ms",
        "lookback": f"{4 * slow:.0f}s",
        "prometheus_port": PROMETHEUS_PORT,
    }
    texts = [path.read_text() for path in sorted(_MANIFESTS.glob(files))]
    return "\n---\n".join(Template(text).substitute(values) for text in texts)


def environment(lab: Lab) -> Mapping[str, Any]:
    """Return what the configuration is told: the cluster is pinned by the UID that it has now."""
    return {
        "kubernetes": {
            "context": machines.context(lab),
            "kubeconfig": str(machines.kubeconfig(lab)),
            "uid": checks.uid(lab),
            "image": IMAGE,
        },
        "prometheus": {"url": checks.prometheus(lab, NODES[CONTROL_PLANE])},
        "etcd": {"endpoints": [f"http://{lab.address(ETCD)}:2379"], "clients": [f"node:{CONTROL_PLANE}"]},
    }
