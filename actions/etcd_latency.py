"""etcd-latency: etcd answers late, as its clients at the targets see it.

Breaks: requests from the targets to etcd's client port. With --percentile that quantile of writes takes as long as
--latency, by windows in which all requests are held back; all others are as quick as before. Without, every request
takes that much longer. Heals: each window by itself, and all of it at the deadline, when the kernel removes the set
elements that its rules need. Traffic between etcd's members is not touched.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from actions import _stalls, _tc
from actions._diversion import Diversion, leads
from actions._stalls import Stalls
from actions._traffic import Traffic, open_window
from actions._windows import Windows, as_percentile
from runner.addresses import addresses
from runner.config import Environment
from runner.errors import Refused, UsageError
from runner.fault import Fault, Stage, Try
from runner.lifecycle import action
from runner.model import EndsBy, Look, ProbeCall, Steps, format_duration
from runner.parameters import Duration, Percent
from runner.targets import Target

__all__ = ["EtcdLatency", "etcd_latency"]

_LOCAL = "http://127.0.0.1:2379"
_LOOPBACK_RANGES = "127.0.0.0/8", "::1/128"
_PEER_PORT = 2380
_ENGINES = {
    "netem": "netem, as was asked for",
    "window": "window, as was asked for",
    "auto": "window, which is nearer to a percentile than netem",
}
_ELECTION_TIMEOUT = 1.0
"""What etcd has where nobody changed it; it does not tell."""
_KEEPALIVE = 10.0
"""How long the API server waits for a sign of life of its connection to etcd."""


@dataclass(frozen=True)
class EtcdLatency(Fault):
    """Make etcd slow for its clients at the targets."""

    latency: Annotated[Duration, "how long requests take"]
    percentile: Annotated[
        float, as_percentile, "the percentile of writes that takes so long: 99; absent: every request takes longer"
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
    mechanism: ClassVar = (
        "nft: packets to etcd's client port held back while set elements live, in windows; without --percentile, "
        "delayed by netem on a link of its own"
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
            return f"writes of {who} to etcd have a P{self.percentile:g} of {latency}"
        varying = f", give or take {format_duration(self.jitter)}" if self.jitter else ""
        return f"{who} gets every answer of etcd {latency} later{varying}"

    @classmethod
    def impossible(cls, environment: Environment) -> UsageError | None:
        """Return that a cluster keeps its etcd to itself, where the environment names none."""
        if environment.kubernetes is None or environment.etcd is not None:
            return None
        return UsageError(
            "etcd-latency cannot be had in this environment: it names no etcd, and a managed cluster lets nobody at "
            "its own.",
            "api-latency needs none, and is a fault of its own: chaosctl inject api-latency --latency=800ms "
            "--percentile=95 --namespace=NAME. Where the control plane is yours, say where its etcd is, by `etcd` with "
            "endpoints and clients in chaosctl.yaml.",
        )

    def settled(self, environment: Environment | None) -> "EtcdLatency":
        """Return it with the environment's etcd, unless another was named; raises UsageError where there is none."""
        if environment and not self.endpoint and (none := self.impossible(environment)):
            raise none
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
        return _stalls.lasts(self._windows, seconds)

    def refuse(self, seconds: float) -> None:
        """Refuse what contradicts itself, what the time is too short for, and what clients would not survive."""
        if _PEER_PORT in self._ports:
            raise UsageError(
                f"Port {_PEER_PORT} is where etcd's members speak to each other; this fault never touches it.",
                "Name the client port: --endpoint=http://HOST:2379.",
            )
        if not self.percentile and self.engine == "window":
            raise UsageError("Windows make a percentile, and none was said.", "Add --percentile=99.")
        self._refuse_variation()
        _stalls.refuse(self._windows, self.latency + self.jitter, seconds)
        if self._longest_silence(seconds) >= 0.8 * _KEEPALIVE and not self.force:
            raise Refused(
                f"A connection to etcd would be silent for {format_duration(self._longest_silence(seconds))}, and the "
                f"API server gives one up that gives no sign of life for {format_duration(_KEEPALIVE)}: "
                "it would meet broken connections instead of late answers.",
                "Ask for less latency, or a higher percentile; --force does it all the same.",
            )

    def _refuse_variation(self) -> None:
        if self.percentile and (self.jitter or self.correlation):
            raise UsageError(
                "--jitter and --correlation vary the delay of every request; a percentile has none of it.",
                "Leave them out, or --percentile.",
            )
        if self.jitter > self.latency:
            raise UsageError("--jitter is larger than --latency.", "No answer can come before it was asked for.")
        if self.correlation and not self.jitter:
            raise UsageError("--correlation is about the jitter.", "Add --jitter=TIME.")

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
            "jitter": self.jitter,
            "files": {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file},
        }
        patience = _stalls.patience(self._windows, self.latency)
        at_a_node = at.name.startswith("node:")
        watch = "probes.api_server:watch" if at_a_node else "probes.etcd:watch"
        return ProbeCall(watch, arguments, stays=True, patience=patience, here=at_a_node)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the rules that hold requests back, and for netem its link; raises Missing, Refused, Inconclusive."""
        if self._by_netem:
            return self._diverted(at, fault_id, seconds)
        return self._held.steps(self.name, fault_id, seconds, self._notes(seconds))

    @property
    def _by_netem(self) -> bool:
        """Whether netem delays requests: always where all are late, and for a percentile where it was asked for."""
        return not self.percentile or self.engine == "netem"

    def _diverted(self, at: Target, fault_id: str, seconds: float) -> Steps:
        hosts = [urlsplit(url).hostname or "" for url in self.endpoint.split(",")]
        found = [each for host in hosts for each in addresses(at, "127.0.0.1" if host == "localhost" else host)]
        interfaces = leads(at, found, self.endpoint)
        # An etcd here has the loopback's addresses too, and other clients of it may use those.
        ranges = tuple(map(ipaddress.ip_network, (*found, *(_LOOPBACK_RANGES if "lo" in interfaces else ()))))
        made = Diversion(
            fault=self.name,
            at=at,
            traffic=tuple(Traffic(ranges, port, "tcp") for port in sorted(self._ports)),
            interfaces=interfaces,
            directions=("out",),
            qdisc=_tc.in_order(_tc.delay(self.latency, self.jitter, self.correlation)),
            drains=self.latency + self.jitter,
            windows=bool(self.percentile),
        )
        return _stalls.delayed(made, fault_id, seconds, self._notes(seconds))

    def act(self, stage: Stage) -> None:
        """Open a window in every period, and correct its width by what the writer measured so far."""
        if self._windows:
            opened = open_window if self._by_netem else self._held.window
            _stalls.pulse(self._windows, stage, lambda width: opened(stage.fault_id, width))

    @property
    def _windows(self) -> Windows | None:
        return Windows(self.latency, self.percentile / 100) if self.percentile else None

    @property
    def _held(self) -> Stalls:
        return Stalls(tuple(sorted(self._ports)))

    @property
    def _ports(self) -> set[int]:
        return {urlsplit(url).port or 2379 for url in self.endpoint.split(",")}

    def _longest_silence(self, seconds: float) -> float:
        """Return how long nothing gets through, in seconds."""
        return self._windows.silence(seconds) if self._windows else self.latency + self.jitter

    def _notes(self, seconds: float) -> Iterator[str]:
        if not self._windows:
            yield _stalls.EVERY
            return
        how = "delayed by netem" if self._by_netem else "held back"
        yield f"Engine: {_ENGINES[self.engine]}. {_stalls.told(self._windows, seconds, how)}"
        if self._windows.silence(seconds) > 2:
            yield "The API server's readiness check of etcd gives up after 2s: /readyz fails in every window."


etcd_latency = action(EtcdLatency)
