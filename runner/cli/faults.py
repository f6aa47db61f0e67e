"""`chaosctl faults`: what is live, and what was left behind."""

import json
from typing import Any

import click

from runner import ledger, residue
from runner.cli.options import env_option, output_option
from runner.holding import Hold
from runner.model import State, clock, format_duration

__all__ = ["command"]


@click.command()
@env_option
@output_option
def command(environment: str, output: str) -> None:
    """List the faults that are live, or left something behind.

    From the ledger, from every network namespace of this machine, so that a fault whose ledger was lost is listed too,
    and from the ledger in the environment's cluster, so that one is that another machine injected.
    """
    with Hold():
        found = [_listed(entry) for entry in residue.everything(environment)]
    for error in ledger.damaged():
        click.echo(f"chaosctl: {error}", err=True)
    if output == "json":
        click.echo(json.dumps(found))
    elif not found:
        click.echo("No fault is live, and nothing is left behind.")
    else:
        for fault in found:
            click.echo(f"{fault['id']}  {fault['state']:<6}  {fault['sentence']}\n{'':18}{_detail(fault)}")
        click.echo(
            "Undo one with `chaosctl recover ID`, what is yours or was left behind with `chaosctl recover --all`."
        )


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
    left = format_duration(max(0.001, fault["deadline"] - clock()))
    told = {
        State.LIVE: f"ends by itself in {left}" if fault["deadline"] else "when it ends by itself is not known",
        State.INERT: "acts no longer; what is left of it is harmless",
        State.ABSENT: "nothing of it is at its targets; only the ledger remembers it",
    }
    return f"by {fault['owner']}; {told[State(fault['state'])]}"
