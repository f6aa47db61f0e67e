"""What this user may do in a cluster, by the rights that each kind of fault needs; asks, and touches nothing."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from runner.cluster import Cluster

__all__ = ["CAPABILITIES", "Capability", "Grant", "Right", "grants", "lacking"]

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
# Stand for the environment's own namespace, for one that faults are meant for, and for that of the guardians.
OURS, THEIRS, GUARDIANS = "<ours>", "<theirs>", "<guardians>"


class Right(NamedTuple):
    """One thing that may be done; without a namespace it is meant for all of them, or for what is in none."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

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


def _rights(verbs: str, resource: str, group: str = "", namespace: str = "") -> tuple[Right, ...]:
    return tuple(Right(verb, resource, group, namespace) for verb in verbs.split())


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
            *_rights("patch", "deployments", "apps", THEIRS),
            *(_rights("patch", "services", namespace=THEIRS) + _rights("patch", "pods", namespace=THEIRS)),
        ),
    ),
    Capability(
        "node-faults",
        (
            *_LEDGER,
            *_rights("create delete", "pods", namespace=OURS),
            *_rights("create", "pods/attach", namespace=OURS),
            *(_rights("patch", "nodes") + _rights("create", "pods/eviction")),
            *_rights("create delete", "jobs", "batch", GUARDIANS),
        ),
    ),
    Capability(
        "ephemeral-faults",
        (
            *_LEDGER,
            *_rights("patch", "pods/ephemeralcontainers", namespace=THEIRS),
            *_rights("create", "pods/attach", namespace=THEIRS),
        ),
    ),
    Capability(
        "admission-faults",
        (*_LEDGER, Right("get", "validatingadmissionpolicies", _ADMISSION, name="chaosctl-heartbeat-loss")),
    ),
)


class Grant(NamedTuple):
    """Whether a capability is there, and where; `lacking` says in words what is not."""

    capability: str
    where: str
    lacking: list[str]


def grants(at: Cluster, label: str) -> Iterator[Grant]:
    """Yield what this user may do; rights in a namespace are asked for in each that is labelled for faults."""
    agreed = _labelled(at, label) if at.pinned.opt_in else []
    for capability in CAPABILITIES:
        if any(right.namespace == THEIRS for right in capability.rights):
            yield from (Grant(capability.name, f" in {name}", lacking(at, capability, name)) for name in agreed)
        else:
            yield Grant(capability.name, "", lacking(at, capability, ""))


def lacking(at: Cluster, capability: Capability, namespace: str) -> list[str]:
    """Return what of a capability is lacking, in words; `namespace` is one that faults are meant for."""
    meant = {OURS: at.pinned.namespace, THEIRS: namespace, GUARDIANS: at.pinned.guardians}
    with ThreadPoolExecutor(len(capability.rights)) as pool:
        allowed = pool.map(lambda right: _is_allowed(at, right, meant), capability.rights)
    return [right.spoken(meant) for right, yes in zip(capability.rights, allowed, strict=True) if not yes]


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


def _labelled(at: Cluster, label: str) -> Iterable[str]:
    """Return the namespaces whose owners agreed to faults."""
    found = at.items("/api/v1/namespaces", labelSelector=f"{label}=allowed").items
    return sorted(str(item["metadata"]["name"]) for item in found)
