"""`chaosctl report compare`: two runs side by side, what came out otherwise and what was different around them."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runner.cli.stored import opened, store_options, tell

if TYPE_CHECKING:
    from reports.changes import Change

__all__ = ["command"]


@click.command(name="compare")
@click.argument("before", metavar="RUN")
@click.argument("after", metavar="RUN")
@store_options
def command(store: str, environment: str, output: str, before: str, after: str) -> None:
    """Compare two runs, the earlier one first: ids, beginnings of them, or `last`."""
    from reports.changes import changes, outcome_changes  # noqa: PLC0415 - `--help` imports click alone

    with opened(store, environment) as here:
        first, second = (here.record(here.find(run)) for run in (before, after))
    outcome, around = outcome_changes(first, second), changes(first, second)
    if output == "json":
        found = {"outcome": [asdict(each) for each in outcome], "around": [asdict(each) for each in around]}
        click.echo(json.dumps({"before": first.run, "after": second.run, **found}))
        return
    tell(f"{first.run} and {second.run}")
    _tell("What came out otherwise", outcome, "Both came out the same.")
    _tell("What was different", around, "Nothing that is known: label runs with --label to know images and revisions.")


def _tell(title: str, found: "list[Change]", nothing: str) -> None:
    click.echo(f"\n{title}")
    width = max((len(change.what) for change in found), default=0)
    for change in found:
        tell(f"  {change.what.ljust(width)}  {change.before} -> {change.after}")
    if not found:
        click.echo(f"  {nothing}")
