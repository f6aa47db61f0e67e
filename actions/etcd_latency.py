"""etcd-latency: etcd answers late, as its clients at the targets see it.

Breaks: requests from the targets to etcd's client port. With --percentile that quantile of writes takes as long as
--latency, by windows in which all requests are held back; all others are as quick as before. Without, every request
takes that much longer. Heals: each window by itself, and all of it at the deadline, when the kernel removes the set
elements that its rules need. Traffic between etcd's members is not touched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from actions import _nft
from actions._windows import Windows
from runner import tables
from runner.config import Environment
from runner.errors import Missing, Refused, UsageError
from runner.fault import Fault, Stage
from runner.lifecycle import action
from runner.model import PROBE_PORTS, Command, EndsBy, Look, ProbeCall, Steps, clock, format_duration
from runner.parameters import Duration, Percent
from runner.targets import Target

__all__ = ["EtcdLatency", "etcd_latency"]

_LOCAL = "http://127.0.0.1:2379"
_PEER_PORT = 2380
_ELECTION_TIMEOUT = 1.0
"""What etcd has where nobody changed it; it does not tell."""
_KEEPALIVE = 10.0
"""How long the API server waits for a sign of life of its connection to etcd."""


def _percentile(written: object) -> float:
    """Return a percentile: 99, 99.9 or P99."""
    text = str(written).strip().removeprefix("P").removeprefix("p").removesuffix("%")
    try:
        percentile = float(text)
    except ValueError:
        percentile = 0.0
    if isinstance(written, bool) or not 50 <= percentile <= 99.9:
        raise UsageError(f"{written!r} is no percentile that can be had.", "Write one from 50 to 99.9: 99.")
    return percentile


@dataclass(frozen=True)
class EtcdLatency(Fault):
    """Make etcd slow for its clients at the targets."""

    latency: Annotated[Duration, "how long requests take"]
    percentile: Annotated[
        float, _percentile, "the percentile of writes that takes so long: 99; absent: every request takes longer"
    ] = 0.0
    jitter: Annotated[Duration, "how much the delay of every request varies"] = 0.0
    correlation: Annotated[Percent, "how much each delay is like the one before"] = 0.0
    engine: Annotated[Literal["auto", "netem", "window"], "what holds packets back"] = "auto"
    endpoint: Annotated[str, "etcd's client addresses, several with commas; absent: the environment's"] = ""
    ca_file: Annotated[str, "the authority that signed etcd's certificate"] = ""
    cert_file: Annotated[str, "our certificate, for the look at etcd"] = ""
    key_file: Annotated[str, "its key"] = ""
    force: Annotated[bool, "go on where a guard of this fault says no"] = False

    name: ClassVar = "etcd-latency"
    ends_by: ClassVar = EndsBy.KERNEL
    mechanism: ClassVar = "nft: packets to etcd's client port held back while set elements live, in windows"
    needs: ClassVar = ("nft", "CAP_NET_ADMIN")

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        latency = format_duration(self.latency)
        if self.percentile:
            return f"writes of {who} to etcd have a P{self.percentile:g} of {latency}"
        return f"{who} gets every answer of etcd {latency} later"

    def settled(self, environment: Environment | None) -> "EtcdLatency":
        """Return it with the environment's etcd, unless another was named."""
        known = environment.etcd if environment else None
        if self.endpoint or known is None:
            return replace(self, endpoint=self.endpoint or _LOCAL)
        return replace(
            self,
            endpoint=",".join(str(url).rstrip("/") for url in known.endpoints),
            ca_file=str(known.ca_file or ""),
            cert_file=str(known.cert_file or ""),
            key_file=str(known.key_file or ""),
        )

    def home(self, environment: Environment | None) -> str:
        """Return the environment's own clients of etcd."""
        return ",".join(environment.etcd.clients) if environment and environment.etcd else ""

    def lasts(self, seconds: float) -> float:
        """Return the environment's default, or the next half minute in which the percentile can be had."""
        if not self.percentile or self._windows.shortest <= seconds:
            return seconds
        return float(-(-self._windows.shortest // 30) * 30)

    def refuse(self, seconds: float) -> None:
        """Refuse what contradicts itself, what the time is too short for, and what clients would not survive."""
        if _PEER_PORT in self._ports:
            raise UsageError(
                f"Port {_PEER_PORT} is where etcd's members speak to each other; this fault never touches it.",
                "Name the client port: --endpoint=http://HOST:2379.",
            )
        if not self.percentile and self.engine == "window":
            raise UsageError("Windows make a percentile, and none was said.", "Add --percentile=99.")
        if self.percentile and (self.jitter or self.correlation):
            raise UsageError(
                "--jitter and --correlation vary the delay of every request; a percentile has none of it.",
                "Leave them out, or --percentile.",
            )
        if self.percentile and seconds < self._windows.shortest - 0.001:
            raise UsageError(*_too_short(self._windows, seconds))
        if self._longest_silence(seconds) >= 0.8 * _KEEPALIVE and not self.force:
            raise Refused(
                f"A connection to etcd would be silent for {format_duration(self._longest_silence(seconds))}, and the "
                f"API server gives one up that gives no sign of life for {format_duration(_KEEPALIVE)}: "
                "it would meet broken connections instead of late answers.",
                "Ask for less latency, or a higher percentile; --force does it all the same.",
            )

    def heed(self, before: Look) -> None:
        """Refuse to slow down what has no quorum, and members that speak to each other over the same port."""
        if self.force:
            return
        if before.evidence.get("quorum") is False:
            raise Refused(
                "etcd has no quorum: it answers no write even without the fault, and has no strength to spare.",
                "Bring it back first; --force goes on all the same.",
            )
        shared = sorted(self._ports & set(before.evidence.get("peer_ports", ())))
        if shared and self._longest_silence(0) >= _ELECTION_TIMEOUT / 2:
            raise Refused(
                f"The members of this etcd speak to each other over port {shared[0]} too. Held back for "
                f"{format_duration(self._longest_silence(0))}, near the election timeout (1s unless it was changed), "
                "they would lose their leader, which is another fault.",
                "Let members have a port of their own; --force does it all the same.",
            )

    def proof(self, at: Target) -> ProbeCall:
        """Return the writer that shows it: what it sees before, all the while, and after.

        At a node of a cluster the API server's own histogram has to say so too.
        """
        arguments = {
            "endpoints": self.endpoint.split(","),
            "latency": self.latency,
            "share": self.percentile / 100,
            "files": {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file},
        }
        # A first window may be over before anybody can look: the cluster's own ledger waits for it too.
        patience = 10.0 + 3 * self.latency + (self._windows.shortest_period if self.percentile else 0.0)
        at_a_node = at.name.startswith("node:")
        watch = "probes.api_server:watch" if at_a_node else "probes.etcd:watch"
        return ProbeCall(watch, arguments, stays=True, patience=patience, here=at_a_node)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the rules that hold requests back while a window is open; raises Missing without netem."""
        if not self.percentile or self.engine == "netem":
            raise Missing(
                f"The kernel at {at.name} has no netem, which delays every request.",
                "Ask for a percentile, which windows make without it: --percentile=99.",
            )
        comment = tables.comment(self.name, clock() + seconds)
        return Steps(
            inject=(_nft.load(_nft.ruleset(fault_id, comment, self._rules(seconds))),),
            undo=(tables.undo(fault_id),),
            checks=(tables.check(fault_id),),
            count=tables.count(fault_id),
            notes=tuple(self._notes(seconds)),
        )

    def act(self, stage: Stage) -> None:
        """Open a window in every period, and correct its width by what the writer measured so far."""
        seconds, windows = stage.deadline - stage.committed, self._windows
        total = windows.number(seconds)
        period = seconds / total
        correction = owed = 0.0
        for number in range(total):
            begin = stage.committed + number * period
            if stage.over.wait(max(0.0, begin - clock())):
                return
            if number and stage.watcher:
                correction = windows.corrected(correction, owed, stage.watcher.measured(begin - period, begin))
                owed = windows.owed(stage.watcher.measured(stage.committed, begin), number, total - number)
            width = min(windows.width(period) + correction + owed, 0.9 * period, stage.deadline - clock())
            if width > 0:
                stage.at.run(self._window(stage.fault_id, width))

    @property
    def _windows(self) -> Windows:
        return Windows(self.latency, self.percentile / 100)

    @property
    def _ports(self) -> set[int]:
        return {urlsplit(url).port or 2379 for url in self.endpoint.split(",")}

    def _longest_silence(self, seconds: float) -> float:
        """Return how long nothing gets through, in seconds."""
        if not self.percentile:
            return self.latency + self.jitter
        period = max(self._windows.shortest_period, seconds / self._windows.number(seconds))
        return self._windows.width(period)

    def _window(self, fault_id: str, width: float) -> Command:
        elements = ", ".join(f"{port} timeout {_nft.timeout(width)}" for port in sorted(self._ports))
        return Command(("nft", "-f", "-"), f"add element inet {tables.table(fault_id)} held {{ {elements} }}\n")

    def _rules(self, seconds: float) -> Iterator[str]:
        """Yield the inside of the table; handshakes pass, so that no connection waits for TCP to try them again."""
        lasting = ", ".join(f"{port} timeout {_nft.timeout(seconds)}" for port in sorted(self._ports))
        yield "counter workload { }"
        yield "counter probes { }"
        yield f"set armed {{ type inet_service; flags timeout; elements = {{ {lasting} }} }}"
        yield "set held { type inet_service; flags timeout; }"
        yield from ("chain tally {", f"tcp sport {PROBE_PORTS[0]}-{PROBE_PORTS[-1]} counter name probes return")
        yield from ("counter name workload", "}")
        yield from ("chain hold {", "jump tally", "drop", "}")
        yield from ("chain output {", "type filter hook output priority -150; policy accept;")
        yield from ("tcp dport @armed tcp dport @held tcp flags & syn == 0 jump hold", "}")

    def _notes(self, seconds: float) -> Iterator[str]:
        number = self._windows.number(seconds)
        width, period = self._windows.width(seconds / number), seconds / number
        yield (
            f"Engine: window. {number} times, every {format_duration(period)}, all requests are held back for about "
            f"{format_duration(width)}: a burst stall, reads and watches included."
        )
        if width > 2:
            yield "The API server's readiness check of etcd gives up after 2s: /readyz fails in every window."


def _too_short(windows: Windows, seconds: float) -> tuple[str, str]:
    """Return why a time is too short, and what could be had in it."""
    latency, share = windows.reachable(seconds)
    percentile = f"{100 * windows.share:g}"
    could = [f"--latency={1000 * latency:.0f}ms with --percentile={percentile}"] * (latency >= 0.02)
    could += [f"--latency={1000 * windows.latency:.0f}ms with --percentile={100 * share:g}"] * (share > 0)
    return (
        f"{format_duration(seconds)} is too short for {format_duration(windows.latency)} at the {percentile}th "
        f"percentile: that takes ten periods of {format_duration(windows.shortest_period)}, "
        f"{format_duration(windows.shortest)} in all.",
        f"Let it last --duration={format_duration(-(-windows.shortest // 1))}"
        + (f", or ask for what can be had in that time: {' or '.join(could)}." if could else "."),
    )


etcd_latency = action(EtcdLatency)
