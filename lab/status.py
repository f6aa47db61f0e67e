"""How each part of a lab is doing."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.health import trouble
from lab.hosts import Host
from lab.kinds import kind
from lab.plan import Lab
from lab.processes import namespaces

__all__ = ["Part", "status"]


@dataclass(frozen=True)
class Part:
    """One host of the lab as it was found; `trouble` is empty where it does its work."""

    name: str
    namespace: str
    address: str
    address6: str
    trouble: str

    @property
    def up(self) -> bool:
        """Whether it does its work."""
        return not self.trouble


def status(lab: Lab) -> list[Part]:
    """Ask every part of the lab, all at once, whether it does its work."""
    hosts = kind(lab).hosts
    present = namespaces(lab.namespace(host.name) for host in hosts)
    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(
            pool.map(lambda host: _part(lab, host, lab.namespace(host.name) in present or not host.start), hosts)
        )


def _part(lab: Lab, host: Host, present: bool) -> Part:
    return Part(
        name=host.name,
        namespace=lab.namespace(host.name),
        address=str(lab.address(host.number)),
        address6=str(lab.address6(host.number)),
        trouble=trouble(host.check, lab, host.number) if present else "it is not there",
    )
