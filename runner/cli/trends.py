"""`chaosctl report trends`: what regressed, fails on, flakes or declines, and what changed between the nights."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runner.cli.stored import opened, standing, store_options, tell

if TYPE_CHECKING:
    from reports.store import Store
    from reports.trends import Finding

__all__ = ["command"]

_COLUMNS = 80


@click.command(name="trends")
@click.option("--service", default="", metavar="NAME", help="Only findings about this service.")
@store_options
def command(store: str, environment: str, output: str, service: str) -> None:
    """Tell regressions, what fails on, flakes, declines and noise apart, over the nights of each service and fault."""
    from reports.trends import findings  # noqa: PLC0415 - `--help` imports click alone

    with opened(store, environment) as here:
        now = standing(here, environment)
        chosen = {key: cell for key, cell in now.cells.items() if key.environment == now.fleet.environment}
        many = [each for each in findings(chosen) if service in ("", each.key.service)]
        told = [_told(here, each) for each in many]
    if output == "json":
        click.echo(json.dumps({"findings": told}))
    else:
        tell("\n\n".join(_block(each) for each in told) or "Nothing changed that the nights so far can tell.")


def _told(here: "Store", finding: "Finding") -> dict[str, Any]:
    from reports.changes import changes  # noqa: PLC0415 - `--help` imports click alone

    between = finding.between or ()
    found = {record.run: record for record in here.records(between)}
    compared = [found[run] for run in between if run in found]
    return {
        "service": finding.key.service,
        "fault": finding.key.fault,
        "kind": finding.kind.value,
        "sentence": finding.sentence,
        "p": finding.p,
        "p_adjusted": finding.adjusted,
        "before": [run.run for run in finding.before],
        "after": [run.run for run in finding.after],
        "changed": [asdict(change) for change in (changes(*compared) if len(compared) == 2 else ())],
    }


def _block(told: dict[str, Any]) -> str:
    lines = textwrap.wrap(f"{told['service']}/{told['fault']}: {told['kind']}. {told['sentence']}", _COLUMNS)
    lines.append(f"  before  {_nights(told['before'])}")
    lines.append(f"  after   {_nights(told['after'])}")
    if not told["before"]:
        return "\n".join(lines)
    changed = [f"{each['what']}: {each['before']} -> {each['after']}" for each in told["changed"]]
    lines += [f"  changed {change}" for change in changed or ["nothing that is known"]]
    return "\n".join(lines)


def _nights(runs: list[str]) -> str:
    if not runs:
        return "no night without it is known"
    return runs[0] if len(runs) == 1 else f"{runs[0]} to {runs[-1]} ({len(runs)} nights)"
