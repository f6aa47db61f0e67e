"""`chaosctl inject FAULT`: one fault, from the look before to the look after."""

import sys
from typing import Any

import click

from runner.cli.fault_options import FaultCommand, fault_options
from runner.cli.options import env_option, output_option
from runner.cli.session import Session
from runner.discovery import fault, names
from runner.fault import Fault
from runner.plan import plan

__all__ = ["command"]


class _Faults(click.Group):
    """Faults by name; each one's options come from its declared parameters."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:  # noqa: ARG002 - click's signature
        return _command(fault(cmd_name))


@click.group(cls=_Faults)
def command() -> None:
    """Inject one fault, prove it, and see it end.

    Stays until the fault is proven gone; Ctrl-C heals at once. Exit codes: 0 proven and healed, 2 usage, 3 unproven
    or no target, 4 something needed is missing, 5 stopped or refused, 6 something was left behind.
    """


def _command(declared: type[Fault]) -> click.Command:
    @env_option
    @output_option
    @click.option("--detach", is_flag=True, help="Return the id once the effect is proven; the fault goes on and ends.")
    def run(environment: str, output: str, detach: bool, **arguments: Any) -> None:
        given = {name: value for name, value in arguments.items() if value is not None}
        session = Session(lambda: plan(declared, given, environment), as_json=output == "json")
        (session.detached if detach else session.foreground)()

    told = sys.modules[declared.__module__].__doc__ or ""
    in_short = told.splitlines()[0].removeprefix(f"{declared.name}: ")
    built = click.command(declared.name, FaultCommand, help=told, short_help=f"{in_short[0].upper()}{in_short[1:]}")(
        run
    )
    built.params = [*fault_options(declared), *built.params]
    return built
