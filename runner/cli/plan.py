"""`chaosctl plan`: exactly what would be touched, and what guardrails say to it; touches nothing."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from runner.cli.fault_options import FaultCommand, fault_options
from runner.cli.options import env_option, output_option
from runner.config import current_or_none
from runner.discovery import fault, names
from runner.errors import UsageError
from runner.model import clock, format_duration, iso
from runner.plan import read

__all__ = ["command"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("what", nargs=-1, required=True, type=click.UNPROCESSED, metavar="EXPERIMENT...|FAULT [OPTIONS]")
@click.option("--var", "variables", multiple=True, metavar="KEY=VALUE", help="Replace a value of the configuration.")
@env_option
@output_option
def command(what: tuple[str, ...], variables: tuple[str, ...], environment: str, output: str) -> None:
    """Say exactly what would be touched, for how long, what ends it, and what guardrails say to it; touches nothing.

    For experiments, or for a fault with the options of `chaosctl inject FAULT`. Exit codes: 0 it would begin, 3 no
    target, 4 something needed is missing, 5 a guardrail says no, 6 something was left behind that blocks.
    """
    from runner import foresight  # noqa: PLC0415 - `--help` imports click alone

    chosen = current_or_none(environment)
    if what[0] in names():
        declared = fault(what[0])
        request = read(declared, _given(what))
        found = [foresight.Outlook(declared.name, "", (foresight.fault(request, chosen),))]
    else:
        found = [foresight.experiment(_file(written), chosen, variables) for written in what]
    if output == "json":
        told = [each.account() for each in found]
        click.echo(json.dumps(told[0] if len(told) == 1 else told))
    else:
        for each in found:
            _say(each)
    codes = [each.exit_code for each in found]
    sys.exit(next((code for code in (6, 4, 5, 3, 2) if code in codes), 0))


def _given(what: tuple[str, ...]) -> dict[str, Any]:
    """Return a fault's arguments, read as `chaosctl inject` reads them."""
    params = fault_options(fault(what[0]))
    reading = FaultCommand(what[0], params=list(params), callback=lambda **given: given, add_help_option=False)
    given: dict[str, Any] = reading.main(list(what[1:]), prog_name=f"chaosctl plan {what[0]}", standalone_mode=False)
    return {name: value for name, value in given.items() if value is not None}


def _file(written: str) -> Path:
    path = Path(written)
    if written.startswith("-") or not path.exists():
        raise UsageError(
            f"{written!r} is neither an experiment's file nor a fault.",
            f"Name a file, or one of: {', '.join(names())}.",
        )
    return path


def _say(outlook: Any) -> None:
    if outlook.path:
        click.echo(f"{outlook.path}: {outlook.title}")
    for each in outlook.faults:
        _say_fault(each)
    if outlook.path and not outlook.faults:
        click.echo("  It has no faults of ours.")
    _say_decisions(outlook)
    click.echo(f"It would {'not ' * bool(outlook.exit_code)}begin. Nothing was touched.")


def _say_fault(foreseen: Any) -> None:
    made = foreseen.plan
    click.echo(f"  {made.sentence if made else foreseen.name}")
    for place in foreseen.places:
        where = f" in {place.namespace}" if place.namespace else ""
        click.echo(_row("target", f"{place.host or place.target}{where}" + f" ({place.target})" * bool(place.host)))
    if made:
        lasts = f"{format_duration(made.seconds)}, until {iso(clock() + made.seconds)} if it began now"
        click.echo(_row("ends", f"{lasts}; by {made.fault.ends_by}"))
        click.echo(_row("by", f"{made.fault.mechanism}; needs {', '.join(made.fault.needs)}"))
        proofs = dict.fromkeys(place.proof for place in foreseen.places if place.proof)
        click.echo(_row("proven by", ", ".join(proofs) or "a look that depends on what is found at the target"))
    _say_decisions(foreseen)


def _say_decisions(found: Any) -> None:
    for ruling in found.rulings:
        fix = "" if ruling.allowed else f" {ruling.fix}"
        click.echo(_row("allowed" if ruling.allowed else "REFUSED", f"{ruling.guardrail}: {ruling.reason}{fix}"))
    if found.problem:
        click.echo(_row("PROBLEM", str(found.problem)))
    for warning in found.warnings:
        click.echo(_row("mind", warning))


def _row(word: str, text: str) -> str:
    return f"    {word:<10} {text}"
