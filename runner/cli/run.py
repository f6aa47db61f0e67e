"""`chaosctl run EXPERIMENT...`: as `chaos run`, with a live view, verdicts and exit codes."""

import json
import os
import sys
from pathlib import Path

import click

from runner.cli.options import env_option, output_option

__all__ = ["command"]

_WORST_FIRST = 6, 4, 5, 1, 3, 2, 0


@click.command()
@click.argument("experiments", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--var", "variables", multiple=True, metavar="KEY=VALUE", help="Replace a value of the configuration.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    help="What runs there, such as image.api=api:1.4.2 or git=4f2a9c1, for comparisons; also CHAOSCTL_LABELS.",
)
@click.option(
    "--journal-path", type=click.Path(path_type=Path), default=None, help="Keep Chaos Toolkit's journal here."
)
@env_option
@output_option
def command(
    experiments: tuple[Path, ...],
    variables: tuple[str, ...],
    labels: tuple[str, ...],
    journal_path: Path | None,
    environment: str,
    output: str,
) -> None:
    """Run experiments one after the other, each to its record and verdict.

    Exit codes: 0 pass, 1 fail, 2 usage, 3 inconclusive, 4 error, 5 aborted, 6 residue. Of several runs the gravest
    counts: 6, 4, 5, 1, 3, 0. An aborted run ends the rest.
    """
    from runner.cli.view import Ended, follow  # noqa: PLC0415 - rich and the engine are needed here alone
    from runner.engine import Engine  # noqa: PLC0415

    _label(labels)
    ended: list[Ended] = []
    for path in experiments:
        events = Engine(path, variables, environment, journal_path).events()
        ended.append(follow(events, live=sys.stderr.isatty() and output == "text"))
        if output == "text" or ended[-1].record is None:
            click.echo(ended[-1].text, err=ended[-1].record is None)
        if ended[-1].code in (5, 6):
            break
    if output == "json":
        records = [each.record for each in ended]
        click.echo(json.dumps(records[0] if len(experiments) == 1 else records))
    sys.exit(next(code for code in _WORST_FIRST if code in [each.code for each in ended]))


def _label(labels: tuple[str, ...]) -> None:
    """Hand the labels on to the runs, which are processes of their own."""
    from runner import origin  # noqa: PLC0415 - `--help` imports click alone

    whole = ",".join(filter(None, (os.environ.get(origin.LABELS, ""), *labels)))
    if origin.labels(whole):
        os.environ[origin.LABELS] = whole
