"""A node that is rebooted under a fault: the namespaces it was in are gone, and so is the fault, whoever looks."""

import os
import signal
import subprocess
from typing import Any

from lab import processes
from lab.kubernetes.machines import command
from lab.kubernetes.refresh import first_process
from lab.lock import held
from tests._inject import injected
from tests._kube import Kube
from tests._kubernetes import left, running, until

NODE = "worker-02"


def test_fault_in_a_pod_whose_node_is_rebooted_is_gone_with_its_network(kube: Kube) -> None:
    [struck] = [each for each in running("payment-api") if each["spec"]["nodeName"] == NODE]
    made = injected(
        "network-dns",
        target="redis-cluster",
        namespace="payment",
        selector="app=payment-api",
        replicas="all",
        duration="240s",
    )
    try:
        _reboot(kube)
        until("the pod after the reboot", lambda: _is_up(struck), 180)
    finally:
        made.stop.set()
        made.finish()
    told = {target["target"].rpartition("/")[2]: target for target in made.account()["targets"]}
    assert told.pop(struck["metadata"]["name"])["ended_how"] == "gone"
    assert {target["ended_how"] for target in told.values()} == {"undone"}
    assert made.healed
    assert until("nothing of ours", lambda: not left())


def _reboot(kube: Kube) -> None:
    """End a node's first process, and with it all that runs there; then start it as the lab does."""
    os.kill(first_process(kube.lab, NODE), signal.SIGKILL)
    space = kube.lab.namespace(NODE)
    until("the node's end", lambda: not processes.inhabitants(processes.namespaces([space]).values()))
    until("the end of its pods' links, which a machine has not after a boot", lambda: "veth" not in _links(space))
    with held(kube.lab, print) as lock:
        processes.start(space, command(kube.lab, NODE), kube.lab.state / f"{NODE}.log", lock)


def _links(space: str) -> str:
    """Return the links of a node but the one to the others, which no boot takes away."""
    said = subprocess.run(["ip", "-n", space, "-brief", "link"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in said.splitlines() if not line.startswith("eth0"))


def _is_up(before: dict[str, Any]) -> bool:
    """Whether the same pod is ready again, by a container of its own."""
    now = [each for each in running("payment-api") if each["metadata"]["uid"] == before["metadata"]["uid"]]
    return bool(now) and _container(now[0]) != _container(before)


def _container(pod: dict[str, Any]) -> str:
    return str(pod["status"]["containerStatuses"][0]["containerID"])
