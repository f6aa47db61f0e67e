"""`chaosctl schema`: the JSON Schema of chaosctl.yaml."""

import json

import click

__all__ = ["command"]


@click.command()
def command() -> None:
    """Print the JSON Schema of chaosctl.yaml, so that an editor completes and checks it."""
    from runner.config import json_schema  # noqa: PLC0415 - `--help` imports click alone

    click.echo(json.dumps(json_schema(), indent=2))
