"""What the cluster's parts are called and numbered; its own ranges are seen by nobody outside it."""

from lab.plan import PODS, SERVICES, Lab

__all__ = [
    "API_PORT",
    "CLUSTER_DNS",
    "CONTROL_PLANE",
    "IMAGE",
    "NODES",
    "PODS",
    "PROMETHEUS_PORT",
    "REGISTRY",
    "SERVICES",
    "SERVICE_API",
    "api",
    "pods_of",
    "zone_of",
]

CONTROL_PLANE = "control-plane"
# Each node with its number in the lab's range; its pods are 10.244.NUMBER.0/24.
NODES = {CONTROL_PLANE: 60, "worker-01": 61, "worker-02": 62, "worker-03": 63}

SERVICE_API = "10.96.0.1"
CLUSTER_DNS = "10.96.0.10"
API_PORT = 6443
PROMETHEUS_PORT = 30090

REGISTRY = "chaosctl.lab"
IMAGE = f"{REGISTRY}/chaosctl:lab"


def api(lab: Lab) -> str:
    """Return the URL of the API server."""
    return f"https://{lab.address(NODES[CONTROL_PLANE])}:{API_PORT}"


def pods_of(node: str) -> str:
    """Return the range of a node's pods."""
    return f"10.244.{NODES[node]}.0/24"


def zone_of(node: str) -> str:
    """Return the zone a node is in; the control plane shares the first one."""
    return "az-1" if node == CONTROL_PLANE else f"az-{int(node[-2:])}"
