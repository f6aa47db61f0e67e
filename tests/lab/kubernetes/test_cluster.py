"""The cluster as it stands: what is in it does its work, and each node is a machine of its own."""

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab import groups, health
from lab.kubernetes import checks
from lab.kubernetes.names import CONTROL_PLANE, NODES, REGISTRY, zone_of
from lab.kubernetes.refresh import first_process
from lab.processes import namespaces
from lab.status import status
from runner.config import current
from tests._kube import Kube

WORKERS = ("worker-01", "worker-02", "worker-03")


def test_every_part_does_its_work(kube: Kube) -> None:
    names = {part.name for part in status(kube.lab)}
    # Prometheus knows pods that are gone for a while.
    _await(lambda: all(part.up for part in status(kube.lab)))
    assert {"etcd", *NODES, "coredns", "prometheus", "redis-cluster", "payment-api", "traffic"} <= names


def test_its_environment_pins_the_cluster_and_leads_there(kube: Kube) -> None:
    pinned = current().environment.kubernetes
    assert pinned is not None
    asked = kube.kubectl("get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}")
    assert (pinned.uid, pinned.kubeconfig) == (asked, kube.kubeconfig)


def test_workers_are_in_three_zones_and_replicas_are_spread_over_them(kube: Kube) -> None:
    nodes = json.loads(kube.kubectl("get", "nodes", "-o", "json"))["items"]
    zones = {node["metadata"]["name"]: node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}
    assert zones == {name: zone_of(name) for name in NODES}
    pods = json.loads(kube.kubectl("get", "pods", "-n", "payment", "-o", "json"))["items"]
    for app in ("payment-api", "redis-cluster"):
        on = [pod["spec"]["nodeName"] for pod in pods if pod["metadata"]["labels"]["app"] == app]
        assert sorted(on) == list(WORKERS)


def test_dns_and_prometheus_are_not_on_the_third_worker(kube: Kube) -> None:
    for namespace, label in (("kube-system", "k8s-app=kube-dns"), ("monitoring", "app=prometheus")):
        pods = json.loads(kube.kubectl("get", "pods", "-n", namespace, "-l", label, "-o", "json"))["items"]
        assert pods
        assert "worker-03" not in {pod["spec"]["nodeName"] for pod in pods}


def test_names_resolve_in_pods_by_resolvers_of_each_kind(kube: Kube) -> None:
    """By glibc, busybox, musl, Go and dnspython: the Service, and each pod of the StatefulSet."""
    commands = {
        "glibc": "getent ahostsv4 {}",
        "busybox": "busybox nslookup -type=a {}.",
        "musl": "resolve-musl {}",
        "go": "resolve {}",
        "dnspython": "python3 -c 'import dns.resolver,sys; print(*dns.resolver.resolve(sys.argv[1]))' {}",
    }
    names = [f"{pod}redis-cluster.payment.svc.cluster.local" for pod in ("", "redis-cluster-0.")]
    script = "set -e; " + "; ".join(
        f"echo {kind} {name}; {command.format(name)}" for kind, command in commands.items() for name in names
    )
    container = {"name": "r", "image": f"{REGISTRY}/resolvers:lab", "args": ["-c", script], "imagePullPolicy": "Never"}
    spec = {"restartPolicy": "Never", "containers": [container]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "resolvers"}, "spec": spec}
    kube.kubectl("apply", "-n", "other", "-f", "-", stdin=json.dumps(pod))
    try:
        kube.kubectl(
            "wait", "-n", "other", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=90s", "pod/resolvers"
        )
        told = kube.kubectl("logs", "-n", "other", "resolvers")
    finally:
        kube.kubectl("delete", "-n", "other", "--now", "pod", "resolvers")
    for kind in commands:
        for name in names:
            answers = told.partition(f"{kind} {name}\n")[2]
            assert answers.lstrip().split("\n")[0], (kind, name, told)
    assert told.count("10.244.") >= 2 * len(commands)


def test_prometheus_has_found_pods_nodes_api_server_and_etcd(kube: Kube) -> None:
    url = checks.prometheus(kube.lab, NODES[CONTROL_PLANE])
    up = health.query(url, "count by (job) (up == 1)")
    counts = {series["metric"]["job"]: int(series["value"][1]) for series in up}
    assert (counts["nodes"], counts["apiserver"], counts["etcd"], counts["kube-dns"]) == (4, 1, 1, 2)
    assert (counts["payment-api"], counts["payment-pooled"], counts["payment-stale"]) == (3, 2, 2)
    answered = health.query(url, 'count by (pod) (rate(payment_requests_total{code="200",job="payment-api"}[5s]) > 0)')
    assert len(answered) == 3, "traffic reaches every replica"
    assert health.query(url, 'etcd_request_duration_seconds_bucket{operation="update"}')


def _processes(kube: Kube, node: str, program: str) -> set[int]:
    """Return the processes of that name in a node's own process namespace."""
    own = Path(f"/proc/{first_process(kube.lab, node)}/ns/pid").readlink()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            same = process.joinpath("ns/pid").readlink() == own
            if same and process.joinpath("comm").read_text().strip() == program[:15]:
                found.add(int(process.name))
    return found


def test_each_node_has_its_own_kubelet_and_control_groups_and_no_other(kube: Kube) -> None:
    for node in NODES:
        assert len(_processes(kube, node, "kubelet")) == 1
    assert len(_processes(kube, CONTROL_PLANE, "kube-apiserver")) == 1
    found = namespaces(kube.lab.namespace(node) for node in NODES)
    assert len(found) == len(NODES)
    for space, identity in found.items():
        assert groups.present({space: identity})


def test_the_machines_own_kernel_parameters_are_left_alone(kube: Kube) -> None:
    """A kubelet would have set them to 10 and 1."""
    first = first_process(kube.lab, "worker-01")
    assert Path(f"/proc/{first}/root/proc/sys/kernel/panic").read_text().strip() == "10"
    assert Path("/proc/sys/kernel/panic").read_text().strip() != "10"


def test_a_service_that_ends_is_started_again_unless_it_is_held(kube: Kube) -> None:
    """The proxy of one worker: its rules stay in the kernel, and nobody notices."""
    held = kube.node("worker-02") / "held" / "kube-proxy"
    held.touch()
    try:
        (before,) = _processes(kube, "worker-02", "kube-proxy")
        os.kill(before, signal.SIGKILL)
        _await(lambda: not _processes(kube, "worker-02", "kube-proxy"))
        _await(lambda: "kube-proxy ended with 137" in (kube.lab.state / "worker-02.log").read_text())
        assert not _processes(kube, "worker-02", "kube-proxy")
    finally:
        held.unlink()
    _await(lambda: _processes(kube, "worker-02", "kube-proxy"))


def _await(come: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.1)
