"""`chaosctl report trends`: regressions, flakes and declines, with the nights they compare and what changed between."""

import json
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from runner.cli.stored import opened, standing, store_options

if TYPE_CHECKING:
    from reports.store import Store
    from reports.trends import Finding

__all__ = ["command"]

_COLUMNS = 80


@click.command(name="trends")
@click.option("--service", default="", metavar="NAME", help="Only findings about this service.")
@store_options
def command(store: str, environment: str, output: str, service: str) -> None:
    """Tell regressions, flakes, declines and noise apart, over the nights of each service and fault."""
    from reports.trends import findings  # noqa: PLC0415 - `--help` imports click alone

    with opened(store, environment) as here:
        now = standing(here, environment)
        chosen = {key: cell for key, cell in now.cells.items() if key.environment == now.fleet.environment}
        many = [each for each in findings(chosen) if service in ("", each.key.service)]
        told = [_told(here, each) for each in many]
    if output == "json":
        click.echo(json.dumps({"findings": told}))
    else:
        click.echo("\n\n".join(_block(each) for each in told) or "Nothing changed that the nights so far can tell.")


def _told(here: "Store", finding: "Finding") -> dict[str, Any]:
    from reports.changes import changes  # noqa: PLC0415 - `--help` imports click alone

    before, after = (here.record(run) for run in finding.between)
    return {
        "service": finding.key.service,
        "fault": finding.key.fault,
        "kind": finding.kind.value,
        "sentence": finding.sentence,
        "p": finding.p,
        "p_adjusted": finding.adjusted,
        "before": [run.run for run in finding.before],
        "after": [run.run for run in finding.after],
        "changed": [asdict(change) for change in changes(before, after)],
    }


def _block(told: dict[str, Any]) -> str:
    lines = textwrap.wrap(f"{told['service']}/{told['fault']}: {told['kind']}. {told['sentence']}", _COLUMNS)
    lines.append(f"  before  {_nights(told['before'])}")
    lines.append(f"  after   {_nights(told['after'])}")
    changed = [f"{each['what']}: {each['before']} -> {each['after']}" for each in told["changed"]]
    lines += [f"  changed {change}" for change in changed or ["nothing that is known"]]
    return "\n".join(lines)


def _nights(runs: list[str]) -> str:
    return runs[0] if len(runs) == 1 else f"{runs[0]} to {runs[-1]} ({len(runs)} nights)"
