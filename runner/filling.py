"""An experiment with its variables filled in: as Chaos Toolkit does, with an environment's own defaults besides."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaoslib import convert_vars, substitute
from chaoslib.configuration import load_configuration

from runner.config import Chosen
from runner.errors import UsageError

__all__ = ["fill_in", "filled_in"]


def fill_in(experiment: Mapping[str, Any], configuration: dict[str, Any], chosen: Chosen | None) -> None:
    """Let the environment's variables replace defaults of the experiment's configuration, and nothing else."""
    for key, value in (chosen.environment.variables if chosen else {}).items():
        declared = (experiment.get("configuration") or {}).get(key)
        default = declared.get("default") if isinstance(declared, Mapping) else declared
        if declared is not None and configuration.get(key) == default:
            configuration[key] = value


def filled_in(experiment: Mapping[str, Any], chosen: Chosen | None, variables: Sequence[str]) -> dict[str, Any]:
    """Return an experiment as it would run: `variables` are KEY=VALUE, secrets stay references.

    Raises UsageError where a variable cannot be read.
    """
    try:
        given = convert_vars(list(variables))
    except ValueError as error:
        raise UsageError(f"--var: {error}.", "Write --var KEY=VALUE.") from error
    for written in variables:
        if "=" not in written:
            raise UsageError(f"--var: {written!r} says no value.", "Write --var KEY=VALUE.")
    configuration: dict[str, Any] = load_configuration(dict(experiment.get("configuration") or {}), given)
    fill_in(experiment, configuration, chosen)
    filled: dict[str, Any] = substitute(dict(experiment), configuration, {})
    return filled
