"""`chaosctl report`: what was run, what came of it, and whether it would be judged the same today."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runner.cli import compare, explain, export, keeping, push, rescore, services, trends
from runner.cli.stored import opened, store_options
from runner.errors import Residue

if TYPE_CHECKING:
    from reports.store import Row

__all__ = ["command"]

_VERDICTS = "pass", "fail", "inconclusive", "error", "aborted"
_NEVER_ENDED = "never ended"
_PIPED_COLUMNS = 200


@click.group(name="report", help="Records of runs: list, show, score, compare, export and deliver them.")
def command() -> None:
    """Hold the commands together."""


for _one in (rescore, explain, compare, services, trends, export, push):
    command.add_command(_one.command)
for _each in keeping.COMMANDS:
    command.add_command(_each)


@command.command(name="list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many, the latest first.")
@click.option("--service", default="", metavar="NAME", help="Only runs about this service.")
@click.option("--verdict", type=click.Choice(_VERDICTS), help="Only runs that were judged so.")
@click.option("--experiment", default="", metavar="TEXT", help="Part of a title, a path, or the beginning of a hash.")
@store_options
def list_runs(store: str, environment: str, output: str, limit: int, **wanted: Any) -> None:
    """List the latest runs, those that never ended too. What waits in the spool is delivered first."""
    filters = {name: value for name, value in wanted.items() if value}
    with opened(store, environment) as here:
        rows = here.rows(limit, **filters)
    if output == "json":
        click.echo(json.dumps({"runs": [_listed(row) for row in rows]}))
    elif rows:
        _print_table(rows)
    else:
        click.echo("No run is like that." if filters else "No run is recorded yet.")


@command.command()
@click.argument("run")
@store_options
def show(store: str, environment: str, output: str, run: str) -> None:
    """Show the record of RUN: its id, the beginning of it, or `last`."""
    from reports.text import summary  # noqa: PLC0415 - `--help` imports click alone

    with opened(store, environment) as here:
        record = here.record(here.find(run))
    if output == "json":
        click.echo(record.canonical())
    else:
        click.echo(summary(record, f"Stored in {here.place}.", colour="NO_COLOR" not in os.environ), nl=False)


def _listed(row: "Row") -> dict[str, Any]:
    return vars(row) | {"state": _NEVER_ENDED if row.ended is None else "ended"}


def _print_table(rows: Sequence["Row"]) -> None:
    """Print one line a run: whole to a pipe, to a terminal what fits, with as much of the id as `show` needs."""
    from rich.console import Console  # noqa: PLC0415 - `--help` imports click alone
    from rich.table import Table  # noqa: PLC0415 - as above

    from reports.words import printable  # noqa: PLC0415 - as above

    shown = sys.stdout.isatty()
    console = Console(width=None if shown else _PIPED_COLUMNS, markup=False, emoji=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", expand=shown)
    for name, widest in (("run", None), ("verdict", None), ("score", None), ("service", 16 if shown else None)):
        table.add_column(name, no_wrap=True, justify="right" if name == "score" else "left", max_width=widest)
    table.add_column("experiment", no_wrap=True, ratio=1 if shown else None)
    letters = _telling([row.run for row in rows]) if shown else None
    for row in rows:
        table.add_row(*map(printable, (row.run[:letters], *_cells(row))))
    console.print(table)
    if any(row.ended is None for row in rows):
        click.echo(
            f"\n{_NEVER_ENDED}: no end is recorded. The run still goes on, or was killed;\n"
            "`chaosctl faults` shows whether it left anything."
        )


def _telling(runs: Sequence[str]) -> int:
    """Return how many letters tell these runs apart; their ids begin with the second they started in."""
    return next((length for length in range(15, 200) if len({run[:length] for run in runs}) == len(runs)), 200)


def _cells(row: "Row") -> tuple[str, ...]:
    from runner.model import iso  # noqa: PLC0415 - `--help` imports click alone

    if row.ended is None:
        return _NEVER_ENDED, "", "", f"since {iso(row.started)[:19].replace('T', ' ')} UTC: {row.title}"
    return _verdict(row), "" if row.score is None else f"{row.score:g}", row.service or "", row.title


def _verdict(row: "Row") -> str:
    """Return the verdict in a word: an injection judges no service, it is proven or not."""
    if row.exit_code == Residue.exit_code:
        return "residue"
    words = {"pass": "proven", "inconclusive": "not proven"} if row.kind == "inject" else {}
    return words.get(row.verdict or "", row.verdict or "")
