"""A cluster is touched only where it is the one that its environment pins."""

from runner.config import Chosen
from runner.errors import CommandFailed, Missing, Unreachable
from runner.guardrails.ruling import Ruling, allow, deny

__all__ = ["rule"]

_NAME = "cluster"


def rule(chosen: Chosen) -> tuple[Ruling, ...]:
    """Return whether the cluster behind the pinned context is the environment's.

    Asks it for the UID of kube-system: a context that was pointed elsewhere is the classic accident. Raises
    Unreachable where it does not say, UsageError where there is no such context.
    """
    pinned = chosen.environment.kubernetes
    if pinned is None:
        return ()
    found = _kube_system_uid(chosen)
    if found == pinned.uid:
        return (allow(_NAME, f"kube-system has the pinned UID {found}"),)
    return (
        deny(
            _NAME,
            f"Context {pinned.context!r} is not the cluster of environment {chosen.name!r}: "
            f"its kube-system has UID {found}, the environment pins {pinned.uid}.",
            "Nothing was touched. Mend the kubeconfig, or choose the environment that is meant with --env.",
        ),
    )


def _kube_system_uid(chosen: Chosen) -> str:
    from runner.cluster import Cluster, kube_system_uid  # noqa: PLC0415 - half a second that only clusters need

    pinned = chosen.environment.kubernetes
    assert pinned is not None  # noqa: S101 - the caller asked
    try:
        return kube_system_uid(Cluster(chosen.name, pinned))
    except (CommandFailed, Missing, Unreachable) as error:
        raise Unreachable(
            f"The cluster behind context {pinned.context!r} could not be asked who it is: {error.message}",
            "Nothing was touched. See whether `kubectl get namespace kube-system` works with that context.",
        ) from error
