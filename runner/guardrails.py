"""What may be touched: decided before anything is written, and every decision kept for the record."""

from dataclasses import dataclass
from typing import Any

from runner.config import Chosen, Kubernetes
from runner.errors import Refused, Unreachable, UsageError, in_one_line
from runner.model import clock, format_duration

__all__ = ["Ruling", "check_environment", "check_plan"]


@dataclass(frozen=True)
class Ruling:
    """One decision of a guardrail; `at` in seconds since the epoch."""

    at: float
    guardrail: str
    allowed: bool
    reason: str


def check_environment(chosen: Chosen) -> tuple[Ruling, ...]:
    """Return why this environment may be touched; raises Refused where it may not.

    Asks the cluster behind the pinned context for the UID of kube-system: a context that was pointed elsewhere is the
    classic accident.
    """
    environment, rulings = chosen.environment, []
    if environment.kind == "production":
        if not environment.guardrails.production_allowed:
            raise Refused(
                f"Environment {chosen.name!r} is production, and faults are not allowed there.",
                "Choose another with --env, or allow it on purpose: guardrails: {production_allowed: true}.",
            )
        rulings.append(Ruling(clock(), "production", True, "allowed by the environment's own setting"))
    if environment.kubernetes:
        found = _kube_system_uid(chosen)
        if found != environment.kubernetes.uid:
            raise Refused(
                f"Context {environment.kubernetes.context!r} is not the cluster of environment {chosen.name!r}: "
                f"its kube-system has UID {found}, the environment pins {environment.kubernetes.uid}.",
                "Nothing was touched. Mend the kubeconfig, or choose the environment that is meant with --env.",
            )
        rulings.append(Ruling(clock(), "cluster", True, f"kube-system has the pinned UID {found}"))
    return tuple(rulings)


def check_plan(chosen: Chosen | None, targets: int, seconds: float) -> tuple[Ruling, ...]:
    """Return why a fault of that size may be made; raises Refused where it may not. `seconds` is its duration."""
    if chosen is None:
        return ()
    limits = chosen.environment.guardrails
    if seconds > limits.max_duration:
        raise Refused(
            f"{format_duration(seconds)} is longer than environment {chosen.name!r} allows "
            f"({format_duration(limits.max_duration)}).",
            "Ask for less, or raise guardrails.max_duration there.",
        )
    if targets > limits.max_targets:
        raise Refused(
            f"{targets} targets are more than environment {chosen.name!r} allows ({limits.max_targets}).",
            "Narrow the selection, or raise guardrails.max_targets there.",
        )
    reason = f"{targets} of at most {limits.max_targets} targets for {format_duration(seconds)}"
    return (Ruling(clock(), "blast radius", True, reason),)


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
