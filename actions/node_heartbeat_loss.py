"""node-heartbeat-loss: the cluster hears nothing of a node any more, while the node goes on working.

Breaks: the node's lease is not renewed; after the cluster's grace period it counts as lost, its pods leave their
Services, and later they are evicted. Heals: the renewals after the deadline are accepted again, by a moment in an
admission policy's parameter (`heartbeat`) or by the kernel of the node (`partition`), with nothing touched.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from actions import _nft
from actions._api_servers import ENDPOINT, Server, endpoints, named, urls
from runner import policy, tables
from runner.errors import Inconclusive, Refused, UsageError
from runner.fault import Ending, Fault
from runner.lifecycle import action
from runner.model import Check, Command, EndsBy, Look, ProbeCall, Steps, clock, format_duration
from runner.remote.pods import MANAGER, US
from runner.targets import Target

__all__ = ["NodeHeartbeatLoss", "node_heartbeat_loss"]

_SHORTEST = 20.0
_FARTHEST = 3600.0
_SKEW = 2.0
_GRACE = 50.0
_PLACE = f"/api/v1/namespaces/{policy.PARAMETERS}/configmaps"


@runtime_checkable
class _Node(Protocol):
    """A target that is a node: its name."""

    node: str


@dataclass(frozen=True)
class NodeHeartbeatLoss(Fault):
    """Keep a node's heartbeats from the cluster."""

    variant: Annotated[
        Literal["heartbeat", "partition"],
        "only heartbeats, turned away at the API server; or the node's kubelet cut off from the API server",
    ] = "heartbeat"
    cut: Annotated[Literal["drop", "reject"], "how a partition treats packets: not at all, or with a reset"] = "drop"
    endpoint: Annotated[str, urls, f"{ENDPOINT}; for a partition"] = ""

    name: ClassVar = "node-heartbeat-loss"
    access: ClassVar = "admission-faults"
    ends_by: ClassVar = EndsBy.ADMISSION
    mechanism: ClassVar = (
        "heartbeat: an admission policy's parameter with a moment in it; partition: nft on the node, while a set "
        "element lives"
    )
    needs: ClassVar = ("Kubernetes 1.30 with the policy in deploy/rbac/admission-faults.yaml, or node pods",)

    def __post_init__(self) -> None:
        if self.variant == "partition":
            object.__setattr__(self, "ends_by", EndsBy.KERNEL)

    @property
    def enters(self) -> bool:
        """Whether a plan needs a node pod: names in --endpoint are the node's to resolve, all else the cluster's."""
        return bool(self.endpoint)

    def identity(self, at: Target) -> str:
        """Return the node's, with its boot where the fault is in its kernel: a policy's parameter outlives that."""
        return super().identity(at) if self.variant == "heartbeat" else at.identity()

    def sentence(self, who: str) -> str:
        """Return what happens to whom."""
        how = "sends no heartbeats" if self.variant == "heartbeat" else "does not reach the API server"
        return f"{who} {how}"

    def refuse(self, seconds: float) -> None:
        """Raise UsageError where it would be too short to be seen, or longer than the policy lets it be."""
        if seconds < _SHORTEST:
            raise UsageError(
                f"{format_duration(seconds)} is too short for node-heartbeat-loss: a kubelet renews every 10 s, so "
                "that it does not can be told only after more than that.",
                f"Ask for {format_duration(_SHORTEST)} or longer; the node counts as lost after {_GRACE:g} s.",
            )
        if self.endpoint and self.variant == "heartbeat":
            raise UsageError(
                "--endpoint says what a node is cut off from, and --variant=heartbeat cuts off nothing.",
                "Leave it out, or add --variant=partition.",
            )
        if seconds > _FARTHEST - 60 and self.variant == "heartbeat":
            raise UsageError(
                "The admission policy takes no parameter that reaches further than an hour.", "59m at most."
            )

    def heed(self, before: Look) -> None:
        """Raise Refused where the node's clock, which the policy goes by, is not ours."""
        skew = float(before.evidence.get("skew", 0.0))
        if self.variant == "heartbeat" and abs(skew) > _SKEW:
            raise Refused(
                f"The clock of the node is {skew:+.1f} s off ours, and the policy goes by what the node writes: the "
                "fault would not end at its deadline.",
                "Mend its clock, or use --variant=partition, which ends by the node's kernel.",
            )

    def proof(self, at: Target) -> ProbeCall:
        """Return the watch of its lease, conditions, pods and endpoints."""
        return ProbeCall("probes.node_lease:watch", {"node": _node(at).node}, stays=True, patience=40.0, here=True)

    def steps(self, at: Target, fault_id: str, seconds: float) -> Steps:
        """Return the parameter or the packet rules; raises Missing where the cluster cannot have it."""
        made = _parameter if self.variant == "heartbeat" else self._partition
        return made(at, fault_id, seconds)

    @classmethod
    def endings(cls, fault_id: str) -> tuple[Ending, ...]:
        """Return how a partition's table goes, and how a parameter does."""
        return *super().endings(fault_id), _ending(fault_id)

    def _partition(self, at: Target, fault_id: str, seconds: float) -> Steps:
        servers = [*endpoints(at), *named(at, self.endpoint)]
        if not servers:
            raise Inconclusive(
                f"The cluster of {at.name} names no endpoint of its API server (default/kubernetes has none): what the "
                "node is to be cut off from is not known. Nothing was injected.",
                "Name it as the node's kubelet does: --endpoint=https://HOST:PORT.",
            )
        text = _nft.ruleset(fault_id, tables.comment(self.name, clock() + seconds), _rules(servers, seconds, self.cut))
        return Steps(
            inject=(_nft.load(text),),
            undo=(tables.undo(fault_id),),
            checks=(tables.check(fault_id),),
            notes=_notes(at, seconds),
        )


def _ending(fault_id: str) -> Ending:
    """Return how the parameter goes."""
    path = f"{_PLACE}/{_parameter_name(fault_id)}"
    return Ending(
        (Command(("api", "DELETE", path)),),
        (Check(Command(("api", "until", path)), live="^live", absent="not found"),),
    )


def _parameter_name(fault_id: str) -> str:
    return f"heartbeat-loss-{fault_id}"


def _parameter(at: Target, fault_id: str, seconds: float) -> Steps:
    policy.verify(lambda path: json.loads(at.run(Command(("api", "GET", path)))))
    item = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": _parameter_name(fault_id),
            "labels": {MANAGER: US, "chaosctl/parameter": "heartbeat-loss"},
        },
        "data": {"node": _node(at).node, "until": f"+{seconds:.3f}"},
    }
    return Steps(
        inject=(Command(("api", "POST", _PLACE), json.dumps(item)),),
        **_ending(fault_id)._asdict(),
        notes=_notes(at, seconds),
    )


def _rules(servers: list[Server], seconds: float, cut: str) -> list[str]:
    """Return the rules that keep the node's own processes from the API servers; its pods still reach them.

    What tells whether the fault is live is the set `armed`; addresses of another family than the first have their own.
    """
    lasting = f"timeout {_nft.timeout(seconds)}"
    verdict = {"drop": "drop", "reject": "reject with tcp reset"}[cut]
    sets, out, back = [], [], []
    for name, newer in (("armed", servers[0].newer), ("armed_more", not servers[0].newer)):
        family, kind = ("ip6", "ipv6_addr") if newer else ("ip", "ipv4_addr")
        those = dict.fromkeys(each for each in servers if each.newer is newer)
        if those:
            elements = ", ".join(f"{address} . {port} {lasting}" for address, port in those)
            sets.append(f"set {name} {{ type {kind} . inet_service; flags timeout; elements = {{ {elements} }} }}")
            out.append(f"{family} daddr . tcp dport @{name} counter {verdict};")
            back.append(f"{family} saddr . tcp sport @{name} counter drop;")
    hook = "type filter hook {} priority -150; policy accept;"
    return [
        *sets,
        f"chain out {{ {hook.format('output')} {' '.join(out)} }}",
        f"chain in {{ {hook.format('input')} {' '.join(back)} }}",
    ]


def _notes(at: Target, seconds: float) -> tuple[str, ...]:
    """Return what so many seconds can show, and what they cannot."""
    lost = seconds - _GRACE
    if lost <= 0:
        return (
            f"{format_duration(seconds)} is less than the {_GRACE:g} s after which a node counts as lost (40 s before "
            "1.32): nothing but its lease will show.",
        )
    patience = _patience(at)
    shown = f"The node will count as lost for about {format_duration(lost)} (grace period {_GRACE:g} s)"
    if patience is None:
        return (f"{shown}; no pod on it is ever evicted.",)
    evicted = f"pods are evicted after {format_duration(max(0.001, patience))} of that"
    return (f"{shown}; {evicted}, so {'some are' if patience < lost else 'none is'}.",)


def _patience(at: Target) -> float | None:
    """Return the shortest time that a pod on the node bears its loss, in seconds; None where all bear it for ever."""
    found = json.loads(at.run(Command(("api", "GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{_node(at).node}"))))
    borne = [_borne(pod["spec"].get("tolerations", ())) for pod in found["items"]]
    return min((seconds for seconds in borne if seconds is not None), default=None)


def _borne(tolerations: Any) -> float | None:
    key = "node.kubernetes.io/unreachable"
    fitting = [
        each
        for each in tolerations
        if each.get("key", key) == key and each.get("effect", "NoExecute") in ("", "NoExecute")
    ]
    if any("tolerationSeconds" not in each for each in fitting):
        return None
    return min((float(each["tolerationSeconds"]) for each in fitting), default=0.0)


def _node(at: Target) -> _Node:
    if not isinstance(at, _Node):
        raise UsageError(
            f"node-heartbeat-loss acts on nodes of a cluster, and {at.name} is none.", "Name one with --node=NAME."
        )
    return at


node_heartbeat_loss = action(NodeHeartbeatLoss)
