"""api-latency: a cluster's API server answers late, as its clients at the targets see it.

Breaks: requests from the targets to the API server, at the addresses of its Service and its own. With --percentile
that quantile of them takes as long as --latency, by windows in which all are held back; the others are as quick as
before. Without, every request takes that much longer. Heals: each window by itself, and all of it at the deadline, when
the kernel removes the set elements that its rules need. What chaosctl itself asks the API server is not touched.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from actions import _stalls, _tc
from actions._api_servers import ENDPOINT, Server, endpoints, in_cluster, named, services, urls
from actions._diversion import Diversion, leads
from actions._stalls import OWN, Stalls
from actions._traffic import Traffic
from actions._windows import Windows, as_percentile
from runner.errors import Refused, UsageError
from runner.fault import Fault, Stage, Try
from runner.lifecycle import action
from runner.model import EndsBy, ProbeCall, Steps, format_duration
from runner.parameters import Duration
from runner.targets import Target

__all__ = ["ApiLatency", "api_latency"]

_ELECTION = 5.0
"""How long a client that elects a leader waits for an answer: half its renew deadline of 10 s, as client-go has it."""
_HEARTBEAT, _LEASE = 10.0, 40.0
"""How long a kubelet waits for an answer to its heartbeat, and after what time without one its node's lease is over."""


@dataclass(frozen=True)
class ApiLatency(Fault):
    """Make the API server slow for its clients at the targets."""

    latency: Annotated[Duration, "how long requests take"]
    percentile: Annotated[
        float, as_percentile, "the percentile of requests that takes so long: 95; absent: every request takes longer"
    ] = 0.0
    endpoint: Annotated[str, urls, ENDPOINT] = ""
    force: Annotated[bool, "go on where a guard of this fault says no"] = False

    name: ClassVar = "api-latency"
    ends_by: ClassVar = EndsBy.KERNEL
    mechanism: ClassVar = (
        "nft: packets to the API server's Service and endpoints held back while set elements live, in windows; without "
        "--percentile, delayed by netem on a link of its own"
    )
    needs: ClassVar = ("nft", "CAP_NET_ADMIN")

    @classmethod
    def tries(cls) -> tuple[Try, ...]:
        """Return what shows whether a kernel can delay every request."""
        return _stalls.tries()

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        latency = format_duration(self.latency)
        if self.percentile:
            return f"requests of {who} to the API server have a P{self.percentile:g} of {latency}"
        return f"every answer of the API server to {who} is {latency} late"

    def lasts(self, seconds: float) -> float:
        """Return the environment's default, or the next half minute in which the percentile can be had."""
        return _stalls.lasts(self._windows, seconds)

    def refuse(self, seconds: float) -> None:
        """Refuse what the time is too short for, and what clients would not take for slowness."""
        _stalls.refuse(self._windows, self.latency, seconds)
        silence = self._windows.silence(seconds) if self._windows else self.latency
        if silence >= 0.8 * _ELECTION and not self.force:
            raise Refused(
                f"Nothing would reach the API server for {format_duration(silence)}. Clients that elect a leader give "
                f"a request up after {format_duration(_ELECTION)} (half their renew deadline), a kubelet its heartbeat "
                f"after {format_duration(_HEARTBEAT)}, and a node whose lease is not renewed for "
                f"{format_duration(_LEASE)} counts as lost: that is another fault than a slow API server.",
                "Ask for less latency, or a higher percentile; --force does it all the same.",
            )

    def proof(self, at: Target) -> ProbeCall:
        """Return the requests that show it: what they see before, all the while, and after."""
        arguments = {
            "servers": [server.url for server in self._servers(at)],
            "latency": self.latency,
            "share": self.percentile / 100,
        }
        patience = _stalls.patience(self._windows, self.latency)
        return ProbeCall("probes.api_requests:watch", arguments, stays=True, patience=patience)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the rules that hold requests back, and for netem its link; raises Missing, Refused, Inconclusive."""
        servers = self._servers(at)
        if self._windows:
            return self._held(servers).steps(self.name, fault_id, seconds, self._notes(at, servers, seconds))
        made = Diversion(
            fault=self.name,
            at=at,
            traffic=tuple(
                Traffic((ipaddress.ip_network(each.address),), each.port, "tcp", unless=OWN) for each in servers
            ),
            interfaces=leads(at, [each.address for each in servers], "the API server"),
            directions=("out",),
            qdisc=_tc.in_order(_tc.delay(self.latency)),
            drains=self.latency,
        )
        return _stalls.delayed(made, fault_id, seconds, self._notes(at, servers, seconds))

    def act(self, stage: Stage) -> None:
        """Open a window in every period, and correct its width by what was measured so far."""
        if self._windows:
            held = self._held(self._servers(stage.at))
            _stalls.pulse(self._windows, stage, lambda width: held.window(stage.fault_id, width))

    @property
    def _windows(self) -> Windows | None:
        return Windows(self.latency, self.percentile / 100) if self.percentile else None

    def _held(self, servers: list[Server]) -> Stalls:
        ends = [
            f"{family} daddr . tcp dport {{ {', '.join(f'{each.address} . {each.port}' for each in those)} }}"
            for family, newer in (("ip", False), ("ip6", True))
            if (those := [each for each in servers if each.newer is newer])
        ]
        return Stalls(tuple(sorted({each.port for each in servers})), tuple(ends))

    def _servers(self, at: Target) -> list[Server]:
        """Return all that the API server is reached by, first what clients at the target use: nodes no Service."""
        found = named(at, self.endpoint)
        if in_cluster(at):
            service, own = services(at), endpoints(at)
            found += [*own, *service] if at.name.startswith("node:") else [*service, *own]
        if not found:
            raise UsageError(
                f"{at.name} is in no cluster that could say where its API server is.",
                "Name it: --endpoint=https://HOST:PORT.",
            )
        return list(dict.fromkeys(found))

    def _notes(self, at: Target, servers: list[Server], seconds: float) -> Iterator[str]:
        if self._windows:
            yield f"Engine: windows. {_stalls.told(self._windows, seconds, 'held back')}"
        else:
            yield _stalls.EVERY
        where = ", ".join(f"{each.address}:{each.port}" for each in servers)
        yield f"The API server is reached at {where}; what chaosctl itself asks of it is let pass."
        if at.name.startswith("node:"):
            yield (
                f"The node's own processes wait, the kubelet's heartbeats too; its lease bears {_LEASE:g}s of that. "
                "Its pods have networks of their own, and are as quick as before."
            )


api_latency = action(ApiLatency)
