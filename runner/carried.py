"""What is on a node of a cluster that must not go with it: the control plane, its DNS, what watches us, and us."""

import ipaddress
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from runner.cluster import Cluster
from runner.selection import holds

__all__ = ["carried"]

_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_NAMES = "CHAOSCTL_POD", "POD_NAME"
_NAMESPACES = "CHAOSCTL_NAMESPACE", "POD_NAMESPACE"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_ROUTES, _NEWER = Path("/proc/net/fib_trie"), Path("/proc/net/if_inet6")
_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_LONGEST = 63
"""The longest host name; that of a pod with a longer name is cut."""


class _Us(NamedTuple):
    """What this process knows of where it runs; `pod` is empty where nobody said it, `inside` is in some cluster."""

    inside: bool
    pod: str
    namespace: str
    host: str
    addresses: frozenset[str]


def carried(at: Cluster, node: Mapping[str, Any]) -> list[str]:
    """Return what is on a node that must not go with it."""
    meta, us = node["metadata"], _us()
    found = ["the control plane"] if _CONTROL_PLANE in meta.get("labels", {}) else []
    own = []
    for pod in at.items("/api/v1/pods", fieldSelector=f"spec.nodeName={meta['name']}").items:
        name, labels = pod["metadata"]["name"], pod["metadata"].get("labels", {})
        matched = [term for term in at.pinned.protect if all(holds(labels, each) for each in term.split(","))]
        if _is_us(pod, us):
            own.append(f"chaosctl itself ({name})")
        elif matched:
            found.append(f"{pod['metadata']['namespace']}/{name} ({matched[0]})")
    if not own and (ours := sorted(_addresses_of(node) & us.addresses)):
        own = [f"chaosctl itself ({ours[0]} is an address of this machine)"]
    return [*found, *own]


def _us() -> _Us:
    namespace = next((os.environ[name] for name in _NAMESPACES if os.environ.get(name)), "")
    if not namespace:
        with suppress(OSError):
            namespace = _ACCOUNT.read_text().strip()
    pod = next((os.environ[name] for name in _NAMES if os.environ.get(name)), "")
    inside = "KUBERNETES_SERVICE_HOST" in os.environ
    return _Us(inside, pod, namespace, socket.gethostname(), frozenset(_addresses()))


def _is_us(pod: Mapping[str, Any], us: _Us) -> bool:
    """Whether this process runs in a pod: by the name it was told, its host name, or its address."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    if not us.inside:
        return False
    host = spec.get("hostname") or meta["name"][:_LONGEST].rstrip("-.")
    if us.namespace in ("", meta["namespace"]) and (meta["name"] == us.pod or host == us.host):
        return True
    found = {status.get("podIP", ""), *(each["ip"] for each in status.get("podIPs", ()))}
    return not spec.get("hostNetwork") and bool(found & us.addresses)


def _addresses_of(node: Mapping[str, Any]) -> set[str]:
    return {each["address"] for each in node.get("status", {}).get("addresses", ()) if each["type"].endswith("IP")}


def _addresses() -> Iterator[str]:
    """Yield the addresses of this network, without those that every machine has; none where it does not say."""
    found = []
    with suppress(OSError):
        found += _LOCAL.findall(_ROUTES.read_text())
    with suppress(OSError):
        found += [str(ipaddress.IPv6Address(int(line.split()[0], 16))) for line in _NEWER.read_text().splitlines()]
    for each in found:
        address = ipaddress.ip_address(each)
        if not (address.is_loopback or address.is_link_local):
            yield each
