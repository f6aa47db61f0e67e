"""The two kinds of lab: hosts with one service each, and a Kubernetes cluster."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.hosts import HOSTS, Host, prometheus_yml
from lab.kubernetes import cluster, refresh
from lab.plan import Lab
from lab.zone import ETCD, PROMETHEUS, REDIS, resolv_conf

__all__ = ["ALL_HOSTS", "Kind", "kind"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Kind:
    """What makes a lab: `hosts` besides, `prepare` writes their files, `furnish` sees to what comes after their start.

    `refresh` brings what has changed since to a lab that stays as it is.
    `environment` is what the configuration is told of it, and `resolver` the resolver configuration of its hosts.
    """

    hosts: tuple[Host, ...]
    resolver: Callable[[Lab], str]
    prepare: Callable[[Lab, int, Say], None]
    furnish: Callable[[Lab, int, Say], None]
    refresh: Callable[[Lab, int, Say], None]
    environment: Callable[[Lab], Mapping[str, Any]]

    @property
    def spaces(self) -> tuple[str, ...]:
        """The hosts that are namespaces."""
        return tuple(host.name for host in self.hosts if host.start)


def kind(lab: Lab) -> Kind:
    """Return the kind of a lab."""
    return _CLUSTER if lab.kubernetes else _NATIVE


def _prepare(lab: Lab, _lock: int, _say: Say) -> None:
    lab.state.joinpath("prometheus.yml").write_text(prometheus_yml(lab))


def _nothing(_lab: Lab, _lock: int, _say: Say) -> None:
    """Every host of the native lab is complete with its process."""


def _environment(lab: Lab) -> Mapping[str, Any]:
    return {
        "hosts": {host.name: _host(lab, host) for host in HOSTS if host.namespace},
        "prometheus": {"url": f"http://{lab.address(PROMETHEUS)}:9090"},
        "variables": {"redis": f"redis://{lab.address(REDIS)}:6379"},
        "etcd": {"endpoints": [f"http://{lab.address(ETCD)}:2379"], "clients": ["payment-ledger"]},
    }


def _host(lab: Lab, host: Host) -> dict[str, Any]:
    return {
        "reach": f"netns:{lab.namespace(host.name)}",
        "namespace": host.namespace,
        "labels": {"app": host.name},
    }


_NATIVE = Kind(HOSTS, resolv_conf, _prepare, _nothing, _nothing, _environment)
_CLUSTER = Kind(
    cluster.HOSTS, cluster.resolv_conf, cluster.prepare, cluster.furnish, refresh.refresh, cluster.environment
)
# A lab that was killed may not say of which kind it was.
ALL_HOSTS = tuple(dict.fromkeys((*_NATIVE.spaces, *_CLUSTER.spaces)))
