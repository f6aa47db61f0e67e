"""A cluster is touched only where it is the one that its environment pins."""

from typing import Any

from runner.config import Chosen, Kubernetes
from runner.errors import Unreachable, UsageError, in_one_line
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
    from kubernetes import client  # noqa: PLC0415 - half a second that only clusters need
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    pinned = chosen.environment.kubernetes
    assert pinned is not None  # noqa: S101 - the caller asked
    settings = client.Configuration()
    settings.retries = False
    _load_context(chosen.name, pinned, settings)
    try:
        api = client.CoreV1Api(client.ApiClient(settings))
        namespace = api.read_namespace("kube-system", _request_timeout=5)
    except (client.ApiException, HTTPError) as error:
        raise Unreachable(
            f"The cluster behind context {pinned.context!r} could not be asked who it is: "
            f"{in_one_line(str(error))[:200]}.",
            "Nothing was touched. See whether `kubectl get namespace kube-system` works with that context.",
        ) from error
    return str(namespace.metadata.uid) if namespace.metadata else "none"


def _load_context(environment: str, pinned: Kubernetes, settings: Any) -> None:
    from kubernetes import config  # noqa: PLC0415
    from kubernetes.config import ConfigException  # noqa: PLC0415
    from yaml import YAMLError  # noqa: PLC0415

    file = str(pinned.kubeconfig) if pinned.kubeconfig else None
    try:
        config.load_kube_config(file, context=pinned.context, client_configuration=settings)
    except (ConfigException, OSError, TypeError, YAMLError) as error:
        raise UsageError(
            f"Context {pinned.context!r} of environment {environment!r} cannot be had from the kubeconfig: "
            f"{in_one_line(str(error))}.",
            "Name the file with kubernetes.kubeconfig, and the context as `kubectl config get-contexts` shows it.",
        ) from error
