"""The options of a fault, from its declared parameters."""

import click

from runner.fault import Fault
from runner.parameters import Parameter, parameters
from runner.selection import Selection

__all__ = ["fault_options"]


def fault_options(declared: type[Fault]) -> list[click.Option]:
    """Return its parameters, those that say from whom, and --duration."""
    options = [_option(parameter) for parameter in (*parameters(declared), *parameters(Selection))]
    options.append(click.Option(["--duration"], metavar="TIME", help="How long: 90s, 2m. Default: the environment's."))
    return options


def _option(parameter: Parameter) -> click.Option:
    default = f" Default: {parameter.default}." if parameter.default and not parameter.required else ""
    text = f"{parameter.help[0].upper()}{parameter.help[1:]}.{default}"
    if parameter.kind is bool:
        return click.Option([parameter.option, parameter.name], is_flag=True, help=text)
    kind = click.Choice(parameter.choices) if parameter.choices else _KINDS[parameter.kind]
    return click.Option([parameter.option, parameter.name], type=kind, help=text)


_KINDS: dict[type, type] = {str: str, int: int, float: float}
