"""Production is touched only where its environment allows that on purpose."""

from runner.config import Chosen
from runner.guardrails.ruling import Ruling, allow, deny

__all__ = ["rule"]

_NAME = "production"


def rule(chosen: Chosen) -> tuple[Ruling, ...]:
    """Return whether this environment may be touched, where it is production."""
    if chosen.environment.kind != "production":
        return ()
    if chosen.environment.guardrails.production_allowed:
        return (allow(_NAME, "allowed by the environment's own setting"),)
    return (
        deny(
            _NAME,
            f"Environment {chosen.name!r} is production, and faults are not allowed there.",
            "Choose another with --env, or allow it on purpose: guardrails: {production_allowed: true}.",
        ),
    )
