"""The lab's network: one namespace per host, one for the switch that joins them, one link to the machine."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from lab.commands import ask, run
from lab.kinds import ALL_HOSTS, kind
from lab.lock import make_directory
from lab.plan import Lab
from lab.zone import MACHINE
from runner.errors import Missing, UsageError

__all__ = ["build", "possible_spaces", "refuse_taken", "resolver_directories", "spaces"]

# The bridge has a namespace of its own because the machine's packet filter also sees what its own bridges carry
# (br_netfilter): with a container engine there, whose policy is to drop, hosts could not reach each other.
_SWITCH = "switch"
_NETNS_ETC = Path("/etc/netns")
_BROADEST = 8


def spaces(lab: Lab) -> tuple[str, ...]:
    """Return the names of all namespaces of a lab."""
    return tuple(lab.namespace(host) for host in (_SWITCH, *kind(lab).spaces))


def possible_spaces(lab: Lab) -> tuple[str, ...]:
    """Return the names of all namespaces that a lab of that name may have, of whichever kind it is."""
    return tuple(lab.namespace(host) for host in (_SWITCH, *ALL_HOSTS))


def resolver_directories(spaces: Iterable[str]) -> tuple[Path, ...]:
    """Return the directories whose files stand before those of /etc in each namespace."""
    return tuple(_NETNS_ETC / space for space in spaces)


def refuse_taken(lab: Lab) -> None:
    """Raise UsageError where a route or an address that is not this lab's lies in its ranges."""
    if not Path("/proc/sys/net/ipv6").exists():
        raise Missing("This kernel runs without IPv6, and the lab has both.", "Boot without ipv6.disable=1.")
    for device, network in _in_use():
        if device != lab.link and any(_overlap(network, own) for own in (lab.network, lab.network6)):
            raise UsageError(
                f"Lab {lab.name!r} was not started: its range {lab.subnet} (or {lab.network6}) is taken, "
                f"{network} is on {device}.",
                "Choose another range: chaosctl lab up --subnet 10.214.0.0/24.",
            )


def build(lab: Lab, lock: int) -> None:
    """Make the namespaces, the bridge between them and the link to the machine."""
    switch = lab.namespace(_SWITCH)
    run(["ip", "-batch", "-"], lock, "\n".join(_creation(lab, switch)))
    _write_resolver_files(lab)
    for host in (host for host in kind(lab).hosts if host.start):
        commands = ["link set lo up", *_addressed(lab, "eth0", host.number)]
        run(["ip", "-n", lab.namespace(host.name), "-batch", "-"], lock, "\n".join(commands))
    ports = [f"link set {port} master bridge up" for port in ("machine", *kind(lab).spaces)]
    run(["ip", "-n", switch, "-batch", "-"], lock, "\n".join(["link set lo up", "link set bridge up", *ports]))
    # Hardened machines switch IPv6 off for every new link; this one is the lab's.
    Path(f"/proc/sys/net/ipv6/conf/{lab.link}/disable_ipv6").write_text("0")
    run(["ip", "-batch", "-"], lock, "\n".join(_addressed(lab, lab.link, MACHINE)))


def _creation(lab: Lab, switch: str) -> Iterator[str]:
    """Yield what makes the parts; the bridge comes first because of the number it takes.

    The kernel puts off by up to a second that a link is up, but for links whose number differs from their peer's.
    Each host's link is number 2 there; with the bridge as number 2 of the switch, no port of it is.
    """
    yield from (f"netns add {space}" for space in spaces(lab))
    yield f"link add name bridge netns {switch} type bridge forward_delay 0"
    for host in kind(lab).spaces:
        yield f"link add {host} netns {switch} type veth peer name eth0 netns {lab.namespace(host)}"
    yield f"link add {lab.link} type veth peer name machine netns {switch}"


def _addressed(lab: Lab, link: str, number: int) -> tuple[str, ...]:
    return (
        f"address add {lab.address(number)}/24 dev {link}",
        f"address add {lab.address6(number)}/64 dev {link} nodad",
        f"link set {link} up",
    )


def _write_resolver_files(lab: Lab) -> None:
    """Write what `ip netns exec` lays over /etc: only DNS answers there, whatever the machine's own resolver is."""
    for directory in resolver_directories(spaces(lab)):
        make_directory(directory)
        directory.joinpath("resolv.conf").write_text(kind(lab).resolver(lab))
        if Path("/etc/nsswitch.conf").exists():
            directory.joinpath("nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def _in_use() -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
    for family in ("-4", "-6"):
        for route in ask(["ip", "-j", family, "route", "show", "table", "all"]):
            if route["dst"] != "default":
                yield route.get("dev", route.get("type", "no device")), ip_network(route["dst"], strict=False)
    for link in ask(["ip", "-j", "address"]):
        for address in link.get("addr_info", ()):
            if "local" in address:
                yield link["ifname"], ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)


def _overlap(network: IPv4Network | IPv6Network, own: IPv4Network | IPv6Network) -> bool:
    """Say whether two ranges meet; half of all addresses is a VPN's default route, and takes nothing."""
    return network.version == own.version and network.prefixlen >= _BROADEST and network.overlaps(own)
