"""`chaosctl faults`: what is live, and what was left behind."""

import json
from typing import Any

import click

from runner import ledger, residue
from runner.cli.options import output_option
from runner.model import State, clock, format_duration, iso

__all__ = ["command"]


@click.command()
@output_option
def command(output: str) -> None:
    """List the faults that are live, or left something behind.

    From the ledger, and from every network namespace of this machine: a fault whose ledger was lost is listed too.
    """
    found = [_listed(entry) for entry in (*ledger.entries(), *residue.strays())]
    if output == "json":
        click.echo(json.dumps(found))
    elif not found:
        click.echo("No fault is live, and nothing is left behind.")
    else:
        for fault in found:
            click.echo(f"{fault['id']}  {fault['state']:<6}  {fault['sentence']}\n{'':18}{_detail(fault)}")
        click.echo("Undo one with `chaosctl recover ID`, all of them with `chaosctl recover --all`.")


def _listed(entry: ledger.Entry) -> dict[str, Any]:
    states = {site.target: ledger.state(site) for site in entry.sites}
    worst = next((state for state in (State.LIVE, State.INERT) if state in states.values()), State.ABSENT)
    return {
        "id": entry.id,
        "fault": entry.fault,
        "state": worst.value,
        "sentence": entry.sentence,
        "deadline": entry.deadline,
        "environment": entry.environment,
        "owner": entry.owner,
        "targets": {target: state.value for target, state in states.items()},
    }


def _detail(fault: dict[str, Any]) -> str:
    if fault["state"] == State.LIVE:
        left = format_duration(max(0.001, fault["deadline"] - clock()))
        return f"by {fault['owner']}; ends by itself in {left}"
    return f"by {fault['owner']}; acts no longer since {iso(fault['deadline'])}, what is left is harmless"
