"""network-dns: a name stops resolving at its targets, and nothing else does.

Breaks: every lookup of the name, in any letter case, over UDP and TCP, IPv4 and IPv6, with all expansions of the search
path, in the target's own network namespace. Heals: at the deadline, when the kernel removes the set element that its
rules need. Open connections and caches are not touched: what never resolves again never meets this fault.
"""

import ipaddress
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from actions import _dns, _nft
from runner import tables
from runner.errors import CommandFailed, Missing
from runner.fault import Fault
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps, clock
from runner.targets import Target

__all__ = ["NetworkDns", "network_dns"]


@dataclass(frozen=True)
class NetworkDns(Fault):
    """Take one DNS name away from the targets."""

    target: Annotated[str, _dns.checked_name, "the name that stops resolving; *.NAME for every name one label below"]
    mode: Annotated[Literal["timeout", "refused", "servfail", "nxdomain"], "what its lookups get"] = "timeout"
    control: Annotated[str, "a name that must keep resolving; absent: one found there"] = ""
    witness: Annotated[str, "a name below *.NAME that resolves, to prove the fault by; absent: NAME-0.NAME"] = ""

    name: ClassVar = "network-dns"
    ends_by: ClassVar = EndsBy.KERNEL
    mechanism: ClassVar = "nft: the name matched in packets of port 53 while a set element lives"
    needs: ClassVar = ("nft", "CAP_NET_ADMIN")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        return f"{who} cannot resolve {self.target}"

    def proof(self, at: Target) -> ProbeCall:
        """Return the lookups that show it: of the name and of a control, by a resolver of our own."""
        names = _dns.expand(self._witness(), at.resolver().search).full
        below = self.target.startswith("*.")
        arguments = {"names": names, "mode": self.mode, "control": self.control, "below": below}
        return ProbeCall("probes.dns:look", arguments)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the nft table; raises Missing where the kernel or nft cannot match inside packets."""
        base = self._base(at)
        notes = ["Open connections and cached answers are not touched."]
        if base == "th":
            notes.append("This kernel or nft cannot match inside TCP (@ih): lookups over TCP still succeed.")
        return Steps(
            inject=(_nft.load(self._ruleset(at, fault_id, seconds, base)),),
            undo=(tables.undo(fault_id),),
            checks=(tables.check(fault_id),),
            count=tables.count(fault_id),
            notes=tuple(notes),
        )

    def _ruleset(self, at: Target, fault_id: str, seconds: float, base: str) -> str:
        resolver = at.resolver()
        stubs = [server for server in resolver.nameservers if ipaddress.ip_address(server).is_loopback]
        names = _dns.expand(self.target, resolver.search)
        comment = tables.comment(self.name, clock() + seconds)
        return _nft.ruleset(fault_id, comment, _dns.body(names, self.mode, seconds, base, stubs))

    def _witness(self) -> str:
        if not self.target.startswith("*."):
            return self.target
        below = self.target.removeprefix("*.")
        return self.witness or f"{below.split('.')[0]}-0.{below}"

    def _base(self, at: Target) -> str:
        """Return the header to count from, tried on the target's own kernel and nft without committing anything."""
        kernel = at.identity().split()[0], self.mode, self.target[:2]
        with _TRYING[kernel]:  # of many that ask at once the first tries for all
            if kernel not in _BASES:
                _BASES[kernel] = self._tried(at)
        return _BASES[kernel]

    def _tried(self, at: Target) -> str:
        failed: CommandFailed | None = None
        for base in ("ih", "th") if self.mode in ("timeout", "refused") else ("ih",):
            try:
                at.run(_nft.dry(self._ruleset(at, "scratch", 1.0, base)))
            except CommandFailed as error:
                failed = failed or error
            else:
                return base
        raise Missing(
            f"network-dns --mode={self.mode} cannot be had at {at.name}: its kernel or nft does not take the rules. "
            f"{failed}",
            "Mode timeout and refused need nf_tables (kernel 4.10); servfail and nxdomain need matching inside packets"
            " (@ih: kernel 5.16, nft 1.0.1).",
        )


_BASES: dict[tuple[str, str, str], str] = {}
_TRYING: defaultdict[tuple[str, str, str], threading.Lock] = defaultdict(threading.Lock)

network_dns = action(NetworkDns)
