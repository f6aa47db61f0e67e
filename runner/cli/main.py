"""`chaosctl`: commands are loaded when they are called, so that --help needs click alone."""

import os
import sys
import traceback
from importlib import import_module

import click

from runner.errors import ChaosctlError

__all__ = ["main"]

_COMMANDS = {
    "inject": "Inject one fault, prove it, and see it end.",
    "faults": "List the faults that are live, or left something behind.",
    "recover": "Undo what is in the ledger.",
    "halt": "Stop what runs, and refuse what comes until it is lifted.",
    "plan": "Say exactly what would be touched; touches nothing.",
    "run": "Run experiments, with verdicts, exit codes and a live view.",
    "report": "Records of runs: list, show, score, compare, export and deliver them.",
    "serve": "Serve the ingestion API over a report store.",
    "token": "Make, list and revoke tokens for the ingestion API.",
    "lab": "A preprod on this machine, to try things on.",
    "schema": "Print the JSON Schema of chaosctl.yaml, for editors.",
    "doctor": "Say what is missing here, for which fault, and how to get it.",
}


class _Commands(click.Group):
    """Commands by name; the file runner/cli/NAME.py holds each as `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        loaded: click.Command = import_module(f"runner.cli.{cmd_name}").command
        return loaded

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chaosctl", prog_name="chaosctl")
def cli() -> None:
    """Chaos experiments that prove their faults, end on time and score what they saw."""


def main() -> None:
    """Run the command line; every error ends as a paragraph and an exit code, never as a traceback."""
    # pydantic asks every installed distribution for plugins of its own: a tenth of each start, for none that are used.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("chaosctl: Stopped. `chaosctl faults` shows whether anything is live.", err=True)
        sys.exit(5)
    except ChaosctlError as error:
        click.echo(f"chaosctl: {error.message}", err=True)
        if error.fix:
            click.echo(f"  {error.fix}", err=True)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - the outermost edge: a bug becomes a message and exit code 4
        if os.environ.get("CHAOSCTL_DEBUG"):
            traceback.print_exc()
        click.echo(f"chaosctl: a bug of ours: {type(error).__name__}: {error}", err=True)
        click.echo("  CHAOSCTL_DEBUG=1 shows where. `chaosctl faults` shows whether anything is live.", err=True)
        sys.exit(4)
