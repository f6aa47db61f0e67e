"""Where the API servers of a cluster are: as the cluster itself knows them, by which clients in it find them."""

import json
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from runner.addresses import addresses
from runner.errors import Inconclusive, UsageError
from runner.model import Command
from runner.targets import Known, Target

__all__ = ["ENDPOINT", "Server", "endpoints", "in_cluster", "named", "services", "urls"]

ENDPOINT = "more addresses of the API server than its cluster knows, as of a load balancer; https://HOST:PORT"
"""What such a parameter is for."""

_SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name%3D{}"
_SERVICES = "/api/v1/namespaces/default/services?fieldSelector=metadata.name%3D{}"
_NAME = "kubernetes"
_OF_ETCD = 2379, 2380


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


def in_cluster(at: Target) -> bool:
    """Return whether a target is in a cluster, which can be asked."""
    return isinstance(at, Known)


def urls(written: object) -> str:
    """Return addresses of API servers as written if they can be meant."""
    words = [word.strip() for word in written.split(",") if word.strip()] if isinstance(written, str) else [""]
    for word in words:
        try:
            parts, port = urlsplit(word), urlsplit(word).port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme != "https" or not parts.hostname or parts.path.strip("/"):
            raise UsageError(f"{word!r} is no address of an API server.", "Write https://HOST:PORT.")
        if port in _OF_ETCD:
            raise UsageError(
                f"Port {port} is etcd's: what API servers ask of it is never touched by this fault.",
                "etcd-latency is the fault for that.",
            )
    return ",".join(words)


def named(at: Target, written: str) -> list[Server]:
    """Return the API servers at addresses as `urls` has them, as the target resolves their names."""
    found = [urlsplit(url) for url in written.split(",") if url]
    return [Server(each, url.port or 443) for url in found for each in addresses(at, url.hostname or "")]


def endpoints(at: Target) -> list[Server]:
    """Return the API servers themselves."""
    slices = json.loads(at.run(Command(("api", "GET", _SLICES.format(_NAME)))))["items"]
    return [
        Server(address, port["port"])
        for found in slices
        for port in found.get("ports") or ()
        for endpoint in found.get("endpoints") or ()
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
