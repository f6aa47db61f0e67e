"""Where the API servers of a cluster are: as the cluster itself knows them, by which clients in it find them."""

import json
from ipaddress import ip_address
from typing import NamedTuple, Protocol, runtime_checkable

from runner.errors import Inconclusive
from runner.model import Command
from runner.targets import Target

__all__ = ["Server", "endpoints", "in_cluster", "services"]

_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3D{}"
_SERVICES = "/api/v1/namespaces/default/services?fieldSelector=metadata.name%3D{}"
_NAME = "kubernetes"


class Server(NamedTuple):
    """An address and a port that an API server answers at."""

    address: str
    port: int

    @property
    def newer(self) -> bool:
        """Whether it is an address of IPv6."""
        return ip_address(self.address).version == 6

    @property
    def url(self) -> str:
        """The same as a URL."""
        return f"https://{f'[{self.address}]' if self.newer else self.address}:{self.port}"


@runtime_checkable
class _InCluster(Protocol):
    """A target in a cluster: the namespace there that is ours."""

    space: str


def in_cluster(at: Target) -> bool:
    """Return whether a target is in a cluster, which can be asked."""
    return isinstance(at, _InCluster)


def endpoints(at: Target) -> list[Server]:
    """Return the API servers themselves."""
    slices = json.loads(at.run(Command(("api", "GET", _SLICES.format(_NAME)))))["items"]
    return [
        Server(address, port["port"])
        for found in slices
        for port in found["ports"]
        for endpoint in found["endpoints"]
        for address in endpoint["addresses"]
    ]


def services(at: Target) -> list[Server]:
    """Return the addresses of the Service in front of them, which is what pods are told; raises Inconclusive."""
    found = json.loads(at.run(Command(("api", "GET", _SERVICES.format(_NAME)))))["items"]
    if not found:
        raise Inconclusive(
            f"The cluster of {at.name} has no Service default/{_NAME}: where its clients find the API server is not "
            "known.",
            "Name it: --endpoint=https://HOST:PORT.",
        )
    spec = found[0]["spec"]
    addresses = spec.get("clusterIPs") or [spec["clusterIP"]]
    return [Server(address, port["port"]) for address in addresses for port in spec["ports"]]
