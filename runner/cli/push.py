"""`chaosctl report push`: from the spool into the store, and from the store to the ingestion API of another."""

import json
from typing import TYPE_CHECKING

import click

from runner.cli.stored import opened, pushed_line, store_options, store_url, tell, tell_left

if TYPE_CHECKING:
    from reports.client import Sent

__all__ = ["command"]


@click.command(name="push")
@click.option("--to", default="", metavar="URL", help="Send what the store holds to the chaosctl serve at this URL.")
@click.option("--token-file", default="", metavar="FILE", help="Holds the token for it. Default: CHAOSCTL_TOKEN.")
@click.option("--patience", type=click.FloatRange(0), default=60, show_default=True, help="Seconds to go on trying.")
@store_options
def command(store: str, environment: str, output: str, to: str, token_file: str, patience: float) -> None:
    """Deliver what waits in the spool to its store, each record once; with --to then from the store to a server.

    A server is sent each run until it has confirmed it, and stores it once however often it arrives. Exit code 4 where
    something cannot be delivered; it stays where it is.
    """
    if to:
        return _to_server(store, environment, output, to, token_file, patience)
    from reports.sink import deliver  # noqa: PLC0415 - `--help` imports click alone

    url = store_url(store, environment)
    pushed = deliver(url)
    if output == "json":
        click.echo(json.dumps({"stored": pushed.stored, "present": pushed.present, "refused": pushed.refused}))
    else:
        click.echo(pushed_line(pushed))
    tell_left(pushed, url)
    if pushed.refused:
        raise click.exceptions.Exit(4)
    return None


def _to_server(store: str, environment: str, output: str, to: str, token_file: str, patience: float) -> None:
    from reports.client import send, token_from  # noqa: PLC0415 - `--help` imports click alone

    token = token_from(token_file)
    with opened(store, environment) as here:
        sent = send(here, to, token, patience)
    click.echo(json.dumps(vars(sent)) if output == "json" else _sent_line(sent, to))
    for reason in sent.refused:
        tell(f"Not taken: {reason}", err=True)
    if sent.refused:
        raise click.exceptions.Exit(4)


def _sent_line(sent: "Sent", to: str) -> str:
    from reports.words import counted  # noqa: PLC0415 - `--help` imports click alone

    if not (sent.stored or sent.present or sent.refused):
        return f"{to} has everything already."
    there = f", {counted(sent.present, 'run')} there already" if sent.present else ""
    refused = f", {counted(len(sent.refused), 'run')} not taken" if sent.refused else ""
    return f"Sent to {to}: {counted(sent.stored, 'run')} stored{there}{refused}."
