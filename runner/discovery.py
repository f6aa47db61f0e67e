"""Which faults there are: the files of actions/, and what Chaos Toolkit asks to be told of them."""

from importlib import import_module
from inspect import isabstract, isclass
from pkgutil import iter_modules
from typing import Any

from runner.errors import UsageError
from runner.fault import Fault

__all__ = ["discover", "fault", "names"]


def names() -> tuple[str, ...]:
    """Return the names of all faults, as on the command line."""
    return tuple(file.replace("_", "-") for file in _files("actions"))


def fault(name: str) -> type[Fault]:
    """Return the fault of that name; raises UsageError that names those there are."""
    if name not in names():
        raise UsageError(f"There is no fault {name!r}.", f"Known: {', '.join(names())}.")
    module = import_module(f"actions.{name.replace('-', '_')}")
    declared = [value for value in vars(module).values() if isclass(value) and issubclass(value, Fault)]
    return next(value for value in declared if not isabstract(value) and value.name == name)


def discover(package: str, kind: str, discover_system: bool) -> Any:
    """Return what `chaos discover PACKAGE --no-install` lists; `kind` is `action` or `probe`."""
    from chaoslib.discovery.discover import discover_activities, initialize_discovery_result  # noqa: PLC0415 - heavy

    result = initialize_discovery_result("chaosctl", "", "chaosctl")
    for file in _files(package):
        result["activities"].extend(discover_activities(f"{package}.{file}", kind))
    if not discover_system:
        result.pop("system", None)
    return result


def _files(package: str) -> list[str]:
    """Return the public module names of a package, by its files alone."""
    return sorted(found.name for found in iter_modules(import_module(package).__path__) if found.name[0] != "_")
