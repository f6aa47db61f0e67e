"""Looking at a target from its own point of view: by sockets of this machine, or by running the look there."""

from collections.abc import Callable
from importlib import import_module

from runner.model import Look, ProbeCall
from runner.targets import Looking, Target

__all__ = ["look"]


def look(at: Target, call: ProbeCall, before: Look | None) -> Look:
    """Return what a probe sees at a target now; `before` is what it saw there without the fault."""
    if isinstance(at, Looking):
        return at.look(call, before)
    module, _, function = call.function.partition(":")
    probe: Callable[..., Look] = getattr(import_module(module), function)
    return probe(at, before, **call.arguments)
