"""What this user may do in a cluster, by the rights that each kind of fault needs; asks, and touches nothing."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from runner import policy
from runner.cluster import Cluster
from runner.selection import like

__all__ = ["CAPABILITIES", "ENTER", "Capability", "Grant", "Lack", "Right", "grants", "lacking"]

ENTER = "enter"
"""Stands for faults that enter their targets' network, where others change objects of the API."""

_AT_ONCE = 16
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Stand for the environment's own namespace, for one that faults are meant for, and for those of guardians.
OURS, THEIRS, GUARDIANS, NODE_GUARDIANS = "<ours>", "<theirs>", "<guardians>", "<node-guardians>"


class Right(NamedTuple):
    """One thing that may be done; without a namespace it is meant for all of them, or for what is in none.

    `only` says which faults of the capability need it, where not all do: those that change objects of that kind, or
    that ENTER their targets.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""
    only: str = ""

    def spoken(self, namespaces: Mapping[str, str]) -> str:
        """Return it as people write it."""
        where = namespaces.get(self.namespace, self.namespace)
        return (
            f"{self.verb} {self.resource}" + (f" {self.name}" if self.name else "") + (f" in {where}" if where else "")
        )


@dataclass(frozen=True)
class Capability:
    """A kind of faults that an administrator grants as one: the file in deploy/rbac, and what is in it."""

    name: str
    rights: tuple[Right, ...]


def _rights(verbs: str, resource: str, group: str = "", namespace: str = "", only: str = "") -> tuple[Right, ...]:
    return tuple(Right(verb, resource, group, namespace, only=only) for verb in verbs.split())


_ADMISSION = "admissionregistration.k8s.io"
_LEDGER = _rights("create patch delete", "configmaps", namespace=OURS)

CAPABILITIES = (
    Capability(
        "observe",
        (
            *(_rights("list watch", "pods") + _rights("list watch", "nodes") + _rights("get", "namespaces")),
            *_rights("list", "services"),
            *_rights("list watch", "deployments", "apps"),
            *_rights("list watch", "endpointslices", "discovery.k8s.io"),
            *_rights("list watch", "leases", "coordination.k8s.io", "kube-node-lease"),
            *_rights("list", "configmaps", namespace=OURS),
        ),
    ),
    Capability("pod-faults", (*_LEDGER, *_rights("delete", "pods", namespace=THEIRS))),
    Capability(
        "workload-faults",
        (
            *_LEDGER,
            *_rights("create delete", "jobs", "batch", GUARDIANS),
            *_rights("list", "pods", namespace=GUARDIANS),
            *_rights("patch", "deployments", "apps", THEIRS, "deployment"),
            *_rights("patch", "services", namespace=THEIRS, only="service"),
            *_rights("patch", "pods", namespace=THEIRS, only="pod"),
        ),
    ),
    Capability(
        "node-faults",
        (
            *_LEDGER,
            *_rights("create delete", "pods", namespace=OURS, only=ENTER),
            *_rights("get create", "pods/attach", namespace=OURS, only=ENTER),
            *(_rights("patch", "nodes", only="node") + _rights("create", "pods/eviction", only="node")),
            *_rights("create delete", "jobs", "batch", NODE_GUARDIANS, "node"),
            *_rights("list", "pods", namespace=NODE_GUARDIANS, only="node"),
        ),
    ),
    Capability(
        "ephemeral-faults",
        (
            *_LEDGER,
            *_rights("patch", "pods/ephemeralcontainers", namespace=THEIRS),
            *_rights("get create", "pods/attach", namespace=THEIRS),
        ),
    ),
    Capability(
        "admission-faults",
        (
            *_LEDGER,
            *_rights("create get delete", "configmaps", namespace=policy.PARAMETERS),
            Right("get", "validatingadmissionpolicies", _ADMISSION, name=policy.NAME),
        ),
    ),
)


class Lack(NamedTuple):
    """A right that is not there, in words, and which faults need it: as Right says `only`."""

    told: str
    only: str


class Grant(NamedTuple):
    """Whether a capability is there, and where; `lacking` has what is not."""

    capability: str
    where: str
    lacking: list[Lack]

    def allows(self, kind: str) -> bool:
        """Whether its faults may be had that change objects of a kind, or ENTER."""
        return not any(lack.only in ("", kind) for lack in self.lacking)


def grants(at: Cluster, label: str, spared: Sequence[str] = ()) -> Iterator[Grant]:
    """Yield what this user may do; rights in a namespace are asked for in each that is labelled for faults.

    Where no label is wanted, in all but those `spared`; they are told together where it is the same in all.
    """
    agreed = _namespaces(at, label, spared)
    for capability in CAPABILITIES:
        if not any(right.namespace == THEIRS for right in capability.rights):
            yield Grant(capability.name, "", lacking(at, capability, ""))
        elif at.pinned.opt_in:
            yield from (Grant(capability.name, f" in {name}", lacking(at, capability, name)) for name in agreed)
        else:
            yield from _anywhere(at, capability, agreed)


def _anywhere(at: Cluster, capability: Capability, namespaces: Sequence[str]) -> Iterator[Grant]:
    """Yield in which namespaces a capability is there, or something of it."""
    everywhere = lacking(at, capability, "")
    if not everywhere:
        yield Grant(capability.name, " in all namespaces", [])
        return
    theirs = [right for right in capability.rights if right.namespace == THEIRS]
    asked = [(right, name) for name in namespaces for right in theirs]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        allowed = pool.map(lambda each: _is_allowed(at, each[0], {THEIRS: each[1]}), asked)
    some = dict.fromkeys(name for (_, name), yes in zip(asked, allowed, strict=True) if yes)
    yield from (Grant(capability.name, f" in {name}", lacking(at, capability, name)) for name in some)
    if not some:
        yield Grant(capability.name, " in any namespace", everywhere)


def lacking(at: Cluster, capability: Capability, namespace: str) -> list[Lack]:
    """Return what of a capability is lacking; `namespace` is one that faults are meant for, or nothing for all."""
    guardians = {GUARDIANS: at.pinned.guardians(""), NODE_GUARDIANS: at.pinned.guardians("node")}
    meant = {OURS: at.pinned.namespace, THEIRS: namespace, **guardians}
    with ThreadPoolExecutor(len(capability.rights)) as pool:
        allowed = pool.map(lambda right: _is_allowed(at, right, meant), capability.rights)
    told = zip(capability.rights, allowed, strict=True)
    return [Lack(right.spoken(meant), right.only) for right, yes in told if not yes]


def _is_allowed(at: Cluster, right: Right, meant: Mapping[str, str]) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": meant.get(right.namespace, right.namespace),
        "name": right.name,
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    answer = at.create(_REVIEWS, {**review, "spec": {"resourceAttributes": attributes}})
    return bool(answer["status"]["allowed"])


def _namespaces(at: Cluster, label: str, spared: Sequence[str]) -> list[str]:
    """Return the namespaces that faults are meant for: whose owners agreed, or where nobody is asked all but some."""
    wanted = f"{label}=allowed" if at.pinned.opt_in else ""
    found = at.items("/api/v1/namespaces", labelSelector=wanted).items
    names, is_spared = sorted(str(item["metadata"]["name"]) for item in found), like(spared)
    return [name for name in names if at.pinned.opt_in or not is_spared(name)]
