"""The addresses of a name, as a target's own resolver gives them."""

import ipaddress
import socket
from collections.abc import Iterator

from runner.errors import Inconclusive
from runner.model import DNS_PROBE_ID, ProbeCall
from runner.targets import Looking, Resolver, Target

__all__ = ["addresses"]

_PATIENCE = 2.0


def addresses(at: Target, name: str) -> tuple[str, ...]:
    """Return the addresses that a name has at the target now, IPv4 before IPv6; an address is its own.

    The target's DNS servers are asked, along its search path; its hosts file is not looked at. Raises Inconclusive
    where the name has no address there, Unreachable where the target has no resolver.
    """
    try:
        return (str(ipaddress.ip_address(name)),)
    except ValueError:
        if isinstance(at, Looking):  # no socket of this machine is in its network: it is asked there
            return tuple(at.look(ProbeCall("probes.dns:addresses", {"name": name}), None).evidence["addresses"])
        resolver = at.resolver()
    for full in _candidates(name, resolver):
        for server in resolver.nameservers:
            if found := [address for rdtype in ("A", "AAAA") for address in _asked(at, full, server, rdtype)]:
                return tuple(dict.fromkeys(found))
    raise Inconclusive(
        f"{name} has no address at {at.name}: its DNS servers ({', '.join(resolver.nameservers)}) gave none.",
        "Nothing was touched. Write the name as it resolves there, or its address.",
    )


def _candidates(name: str, resolver: Resolver) -> Iterator[str]:
    """Yield the full names to ask for; one with a dot in it is more likely full already."""
    bare = name.rstrip(".")
    expanded = [] if name.endswith(".") else [f"{bare}.{suffix}" for suffix in resolver.search if suffix]
    yield from (bare, *expanded) if "." in bare else (*expanded, bare)


def _asked(at: Target, name: str, server: str, rdtype: str) -> list[str]:
    """Return what one query by UDP gets; no answer is no address."""
    import dns.exception  # noqa: PLC0415 - a sixth of a second that addresses do not need
    import dns.message  # noqa: PLC0415
    import dns.query  # noqa: PLC0415

    query = dns.message.make_query(name, rdtype, id=DNS_PROBE_ID)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with at.socket(family, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)
        try:
            reply = dns.query.udp(query, server, timeout=_PATIENCE, sock=connection)
        except (dns.exception.DNSException, OSError):
            return []
    return [str(record) for answer in reply.answer for record in answer if answer.rdtype == query.question[0].rdtype]
