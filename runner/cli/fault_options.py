"""The options of a fault, from its declared parameters."""

import click

from runner.errors import UsageError
from runner.fault import Fault
from runner.parameters import Parameter, parameters
from runner.selection import Selection

__all__ = ["FaultCommand", "fault_options"]

_MEANT = {"--percent": "--replicas=50%", "--count": "--replicas=2"}


class FaultCommand(click.Command):
    """A command with a fault's options; where another tool's word for one is used, it says which is meant."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; raises UsageError, and what click raises."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if meant := _MEANT.get(error.option_name):
                raise UsageError(
                    f"{self.name} has no option {error.option_name}.",
                    f"A part of each service's pods or hosts is chosen by --replicas, such as {meant}.",
                ) from error
            raise


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
