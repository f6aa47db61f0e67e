"""The admission policy of node-heartbeat-loss, which an administrator installs, and where its parameters are."""

from collections.abc import Callable
from typing import Any

from runner.errors import CommandFailed, Missing

__all__ = ["NAME", "PARAMETERS", "verify"]

NAME = "chaosctl-heartbeat-loss"
PARAMETERS = "chaosctl-parameters"
"""The namespace of its parameters, the same for all environments: the policy is the whole cluster's, and names it."""

_PATH = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{NAME}"
_MARK = "chaosctl/parameters"
_SPACE = f"/api/v1/namespaces/{PARAMETERS}"
_APPLY = "kubectl apply -f deploy/rbac/admission-faults.yaml. Or use --variant=partition."


def verify(ask: Callable[[str], dict[str, Any]]) -> None:
    """See by GET requests that the cluster has the policy as it is now; raises Missing, with what to do."""
    version = ask("/version")
    minor = int("".join(filter(str.isdigit, version["minor"])) or 0)
    if (int(version["major"]), minor) < (1, 30):
        raise Missing(
            f"The cluster is Kubernetes {version['major']}.{minor}: admission policies are in 1.30 and later.",
            "Use --variant=partition.",
        )
    policy = _found(
        ask,
        _PATH,
        "The admission policy of node-heartbeat-loss is not installed in this cluster.",
        f"An administrator does that once: {_APPLY}",
    )
    again = f"An administrator applies it again: {_APPLY}"
    if policy["metadata"].get("annotations", {}).get(_MARK) != PARAMETERS:
        raise Missing(
            "The admission policy of node-heartbeat-loss in this cluster is of an earlier version, which reads its "
            f"parameters elsewhere than in namespace {PARAMETERS}.",
            again,
        )
    _found(ask, _SPACE, f"The admission policy of node-heartbeat-loss has lost its namespace {PARAMETERS}.", again)


def _found(ask: Callable[[str], dict[str, Any]], path: str, absent: str, fix: str) -> dict[str, Any]:
    try:
        return ask(path)
    except CommandFailed as error:
        if error.status != 404:
            raise
        raise Missing(absent, fix) from error
