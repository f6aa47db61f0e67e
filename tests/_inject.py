"""Injecting from tests, without a command line."""

import threading
from typing import Any

from runner.discovery import fault
from runner.lifecycle import Injection
from runner.plan import plan


def injection(name: str, **arguments: Any) -> Injection:
    """Return one that was not started yet."""
    return Injection(plan(fault(name), arguments), threading.Event(), lambda _word, _sentence: None)


def injected(name: str, **arguments: Any) -> Injection:
    """Return one whose effect is proven."""
    made = injection(name, **arguments)
    made.start()
    return made


def healed(made: Injection) -> Injection:
    """See one to its end at once, and return it."""
    made.stop.set()
    made.finish()
    return made
