"""Commands for links that hold packets back: pure functions.

A link of type ifb takes packets that are forwarded to it at an interface, queues them by the qdisc at its root, and
puts them back to where they were, as though nothing had happened. So the interface's own qdiscs stay what they are.
"""

from collections.abc import Iterable, Iterator, Mapping

from actions._nft import SCRATCH
from runner import tables
from runner.fault import Try
from runner.model import Command

__all__ = [
    "ANYTHING",
    "add_links",
    "delay",
    "filters",
    "forward",
    "hold",
    "in_order",
    "load_ifb",
    "microseconds",
    "tries",
]

ANYTHING = 100_000
"""How many packets netem may hold: its own limit of 1000 drops what a delay of 100 ms holds above 10,000 a second."""

_QUIET_MTU = 1279
"""One byte too short for IPv6, which therefore stays off the link; nothing that is forwarded there is held to it."""

_MODULES = "On Debian it comes with linux-image-amd64, on Fedora and RHEL with kernel-modules-extra."


def microseconds(seconds: float) -> str:
    """Return a time as tc writes it."""
    return f"{round(seconds * 1e6)}us"


def in_order(qdisc: str) -> str:
    """Return a netem whose packets never overtake each other, however late: with a rate, none leaves before the last.

    The rate is none that anybody would notice.
    """
    return f"{qdisc} rate 100gbit"


def delay(seconds: float, jitter: float = 0.0, correlation: float = 0.0, distribution: str = "uniform") -> str:
    """Return the netem that delays packets; `jitter` (seconds) to either side, `correlation` in percent."""
    parts = [f"netem limit {ANYTHING} delay {microseconds(seconds)}"]
    if jitter:
        parts.append(f"{microseconds(jitter)} {correlation:g}%")
    if distribution != "uniform":
        parts.append(f"distribution {distribution}")
    return " ".join(parts)


def add_links(fault_id: str, directions: Iterable[str]) -> Command:
    """Return the command that makes the fault's links and puts them up."""
    lines = []
    for direction in directions:
        name = tables.link(fault_id, direction)
        lines.append(f"link add name {name} mtu {_QUIET_MTU} group {tables.group(fault_id)} type ifb")
        lines.append(f"link set dev {name} up")
    return Command(("ip", "-batch", "-"), "\n".join(lines) + "\n")


def hold(fault_id: str, directions: Iterable[str], qdisc: str) -> Command:
    """Return the command that puts a qdisc at the root of each of the fault's links."""
    lines = [f"qdisc add dev {tables.link(fault_id, direction)} root {qdisc}" for direction in directions]
    return Command(("tc", "-batch", "-"), "\n".join(lines) + "\n")


def forward(fault_id: str, directions: Iterable[str]) -> Mapping[str, str]:
    """Return what rules do with the packets of each direction: hand them to the fault's links."""
    return {direction: f'fwd to "{tables.link(fault_id, direction)}"' for direction in directions}


def filters(interface: str) -> Command:
    """Return the command that lists somebody's tc filters for what leaves an interface, as JSON."""
    return Command(("tc", "-json", "filter", "show", "dev", interface, "egress"))


def load_ifb() -> Command:
    """Return the command that loads the module of ifb: loaded by itself, it brings two links that nobody wants."""
    return Command(("modprobe", "--quiet", "ifb", "numifbs=0"))


def tries(qdisc: str) -> Iterator[Try]:
    """Yield what shows whether the target can have links that hold packets back by that qdisc."""
    kind = qdisc.partition(" ")[0]
    link = "ip", "link", "add", "name", "scratch", "type", "ifb"
    yield Try("links of type ifb", Command((*SCRATCH, *link)), f"`modprobe ifb` shows why. {_MODULES}")
    root = "tc", "qdisc", "add", "dev", "lo", "root", *qdisc.split()
    yield Try(f"`{qdisc}`", Command((*SCRATCH, *root)), f"`modprobe sch_{kind}` shows why. {_MODULES}")
