"""`chaosctl report services`: how each service stands under the faults required of it, the worst first."""

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from runner.cli.stored import opened, standing, store_options, tell

if TYPE_CHECKING:
    from reports.services import Fleet, Part, Service

__all__ = ["command"]

_DAY = 86400


@click.command(name="services")
@click.option("--service", default="", metavar="NAME", help="Only this one.")
@store_options
def command(store: str, environment: str, output: str, service: str) -> None:
    """Show what each service is worth under the faults required of it, and the fleet."""
    from reports.portable import fleet_data  # noqa: PLC0415 - `--help` imports click alone

    with opened(store, environment) as here:
        now = standing(here, environment)
    if output == "json":
        data = fleet_data(now.fleet)
        data["services"] = [each for each in data["services"] if service in ("", each["service"])]
        click.echo(json.dumps(data))
        return
    shown = [each for each in now.fleet.services if service in ("", each.name)]
    for each in shown:
        tell("\n".join(_block(each, now.now)) + "\n")
    tell(_fleet_line(now.fleet) if shown else "No run of a service is recorded here, and none is declared.")


def _block(service: "Service", now: float) -> list[str]:
    score = "no score" if service.score is None else f"{service.score:g} of 100"
    owner = f", {service.owner}" if service.owner else ""
    coverage = "no fault required" if service.coverage is None else f"{service.coverage:.0%} covered"
    lines = [f"{service.name}: {score} ({coverage}{owner})"]
    width = max((len(part.fault) for part in service.parts), default=0)
    return [*lines, *(f"  {part.fault.ljust(width)}  {_part(part, now)}" for part in service.parts)]


def _part(part: "Part", now: float) -> str:
    cell = part.cell
    invalid = f", {cell.invalid} said nothing" if cell and cell.invalid else ""
    if not part.covered or cell is None or cell.score is None:
        why = f": `chaosctl report explain {shlex.quote(str(cell.key))}` says why" if cell and invalid else ""
        return f"    0  {part.state}{invalid}{why}"
    score, age = cell.score, (cell.age(now) or 0.0) / _DAY
    return (
        f"{score.low:5.4g}  mean {score.mean:g} ({score.low:g} to {score.high:g}), pass rate at least "
        f"{cell.pass_rate_low:.2f}, {cell.valid} valid{invalid}, last {age:.1f} days ago"
    )


def _fleet_line(fleet: "Fleet") -> str:
    worst: Any = fleet.worst
    if fleet.score is None or worst is None:
        return "The fleet has no score: nothing is required of any service."
    return (
        f"The fleet: {fleet.score:g} of 100, weighted by criticality; the worst is {worst.name} with {worst.score:g}."
    )
