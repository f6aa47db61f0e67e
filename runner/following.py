"""Turns the probes of a hypothesis into followers for the sampler, by the experiment's own module strings."""

from collections.abc import Mapping
from copy import deepcopy
from importlib import import_module
from typing import Any

from chaoslib import substitute
from chaoslib.activity import run_activity
from chaoslib.exceptions import ChaosException
from chaoslib.hypothesis import within_tolerance

from runner.errors import ChaosctlError
from runner.experiment import Extension
from runner.sampler import Follower, Polled, Source

__all__ = ["followers", "traffic"]


def followers(experiment: Mapping[str, Any], configuration: Any, secrets: Any, extension: Extension) -> list[Follower]:
    """Return a follower for each probe of the hypothesis.

    A probe module that offers `follow(func, arguments)` is followed through its own history; any other is asked again
    and again. A tolerance is a copy each time, because Chaos Toolkit writes into it.
    """
    made = []
    for probe in (experiment.get("steady-state-hypothesis") or {}).get("probes") or []:
        tolerance = substitute(probe["tolerance"], configuration, secrets)

        def within(value: Any, tolerance: Any = tolerance) -> bool:
            try:
                return bool(within_tolerance(deepcopy(tolerance), value, configuration, secrets))
            except (ChaosException, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                told = f"{value!r} cannot be held against the tolerance {tolerance!r}: {error}"
                raise ChaosctlError(told) from error

        source = _source(probe, configuration, secrets)
        name = probe["name"]
        kind = {"hard": extension.is_hard(name), "invariant": name in extension.invariants}
        made.append(Follower(name, source, tolerance, within, **kind))
    return made


def traffic(extension: Extension, start: float, end: float) -> Mapping[str, Any] | None:
    """Return the service's events between two moments, in the shape of reports.record.Events; None without any.

    Raises what probes.prometheus does where they cannot be had.
    """
    counters = extension.counters()
    if counters is None:
        return None
    module = import_module("probes.prometheus")
    found: dict[str, Any] = module.events(counters.all, counters.bad or counters.good, start, end)
    return found if counters.bad else _of_good(found)


def _of_good(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return events whose second counter counted the good ones; where it ran ahead for a scrape, none was bad."""
    bad = [max(0.0, every - good) for every, good in zip(found["all"], found["bad"], strict=True)]
    return {**found, "bad_query": f"{found['all_query']} - {found['bad_query']}", "bad": bad}


def _source(probe: Mapping[str, Any], configuration: Any, secrets: Any) -> Source:
    provider = probe["provider"]
    if provider["type"] == "python":
        follow = getattr(import_module(provider["module"]), "follow", None)
        arguments = substitute(provider.get("arguments") or {}, configuration, secrets)
        source: Source | None = follow(provider["func"], arguments) if follow else None
        if source:
            return source

    def ask() -> Any:
        try:
            return run_activity(dict(probe), configuration, secrets)
        except ChaosException as error:
            raise ChaosctlError(str(error)) from error

    return Polled(probe["name"], ask)
