"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["env_option", "output_option"]

_F = TypeVar("_F", bound=Callable[..., Any])


def env_option(command: _F) -> _F:
    """Add --env: the environment to work on; empty means CHAOSCTL_ENV, else the default of chaosctl.yaml."""
    text = "The environment to work on; also CHAOSCTL_ENV. Default: the one chaosctl.yaml names."
    return click.option("--env", "environment", default="", metavar="NAME", help=text)(command)


def output_option(command: _F) -> _F:
    """Add --output: text for people, or one JSON document on standard output and everything else on standard error."""
    text = "text for people, json for programs."
    return click.option("--output", type=click.Choice(["text", "json"]), default="text", help=text)(command)
