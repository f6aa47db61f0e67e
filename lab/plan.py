"""What a lab is called, which addresses it has and where its files are."""

import json
import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from runner.errors import UsageError
from runner.model import format_duration
from runner.paths import state_dir

__all__ = ["PODS", "SERVICES", "Lab"]

PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
"""What a cluster of the lab has inside, and nobody outside it sees."""

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,7}[a-z0-9])?")
_MARKERS = Path("/run/chaoslab")


@dataclass(frozen=True)
class Lab:
    """One lab; raises UsageError for a name, a range or an interval that it cannot have."""

    name: str = "lab"
    subnet: str = "10.213.0.0/24"
    scrape_interval: float = 1.0
    kubernetes: bool = False
    root: Path = field(default_factory=state_dir)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot be the name of a lab.",
                "Take up to nine lower-case letters, digits and hyphens, a letter first: the name is part of a link's.",
            )
        if not 0.5 <= self.scrape_interval <= 60:
            raise UsageError(
                f"Prometheus in the lab cannot scrape every {format_duration(self.scrape_interval)}.",
                "Choose an interval from 500ms to 60s.",
            )
        if not _is_range(self.subnet):
            raise UsageError(
                f"{self.subnet!r} cannot be the range of a lab.",
                "Give a private range of 256 addresses: --subnet 10.213.0.0/24.",
            )
        if self.kubernetes and any(self.network.overlaps(IPv4Network(own)) for own in (PODS, SERVICES)):
            raise UsageError(
                f"A cluster cannot have the range {self.subnet}: its pods have {PODS}, its Services {SERVICES}.",
                "Give another one: --subnet 10.213.0.0/24.",
            )

    @property
    def network(self) -> IPv4Network:
        """The IPv4 range."""
        return IPv4Network(self.subnet)

    @property
    def network6(self) -> IPv6Network:
        """The IPv6 range: the numbers of the IPv4 one, so that it can be read off it."""
        first, second, third, _ = str(self.network.network_address).split(".")
        return IPv6Network(f"fd13:{second}:{third}:{'0' if first == '10' else first}::/64")

    def address(self, number: int) -> IPv4Address:
        """Return the IPv4 address of the host with that number."""
        return self.network[number]

    def address6(self, number: int) -> IPv6Address:
        """Return the IPv6 address of the host with that number; it ends in the same digits."""
        return self.network6[int(str(number), 16)]

    def namespace(self, host: str) -> str:
        """Return the network namespace that is this host."""
        return f"chaoslab-{host}" if self.name == "lab" else f"chaoslab-{self.name}-{host}"

    @property
    def link(self) -> str:
        """The one link of the lab in the machine's own namespace; a link's name has 15 characters at most."""
        return f"chaos-{self.name}"

    @property
    def marker(self) -> Path:
        """The file that is there while a lab of that name is: it holds the lab's plan, and carries its lock.

        It lies in /run because namespaces do: both are the machine's, whichever state directory a caller has.
        """
        return _MARKERS / self.name

    @property
    def state(self) -> Path:
        """The directory of its logs and data."""
        return self.root / "labs" / self.name

    @property
    def environment(self) -> Path:
        """The file by which chaosctl's commands find it."""
        return self.root / "environments" / f"{self.name}.yaml"

    @property
    def window(self) -> float:
        """Seconds over which rates are taken, and after which a silent series is stale: four scrapes, 5 s at least."""
        return max(5.0, 4 * self.scrape_interval)

    @property
    def duration(self) -> float:
        """Seconds that a fault lasts by default: long enough for six scrapes to see it."""
        return max(20.0, 6 * self.scrape_interval)

    def to_json(self) -> str:
        """Return what the marker holds."""
        noted = ("subnet", "scrape_interval", "kubernetes")
        return json.dumps({name: getattr(self, name) for name in noted} | {"root": str(self.root)})

    @classmethod
    def on_this_machine(cls, name: str) -> "Lab | None":
        """Return the lab of that name as `lab up` noted it, or nothing where there is none."""
        lab = cls(name)
        try:
            noted = json.loads(lab.marker.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return replace(lab, **noted | {"root": Path(noted["root"])})


def _is_range(subnet: str) -> bool:
    try:
        network = IPv4Network(subnet)
    except ValueError:
        return False
    return network.prefixlen == 24 and network.is_private
