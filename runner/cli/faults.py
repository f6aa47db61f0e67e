"""`chaosctl faults`: what is live, and what was left behind."""

import json
from collections.abc import Sequence
from typing import Any

import click

from runner import ledger, reading, residue
from runner.cli.options import env_option, output_option
from runner.errors import ChaosctlError, CommandFailed, Missing, Unreachable
from runner.holding import Hold
from runner.model import State, clock, format_duration

__all__ = ["command"]

_UNKNOWN = "unknown"
_WORST_FIRST = (State.LIVE, _UNKNOWN, State.INERT, State.ABSENT)


@click.command()
@env_option
@output_option
def command(environment: str, output: str) -> None:
    """List the faults that are live, or left something behind.

    From the ledger, from every network namespace of this machine, so that a fault whose ledger was lost is listed too,
    and from the ledger in the environment's cluster, so that one is that another machine injected. Exit code 4: not
    all targets could be looked at; those are listed as unknown. So where the cluster does not answer: what is known
    here is listed all the same. Pods that are reached by --via=ephemeral are not entered to be looked at, which would
    add a container to each for good: of these the ledger tells, and it is said.
    """
    with Hold():
        entries, problem = _entries(environment)
        found = [_listed(entry) for entry in entries]
        doubts = residue.damaged(environment, elsewhere=problem is None)
    for error in doubts:
        click.echo(f"chaosctl: {error}", err=True)
    if output == "json":
        click.echo(json.dumps(found))
    elif problem and not found:
        click.echo("No fault is live on this machine, and nothing is left behind here.")
    elif not found:
        click.echo("No fault is live, and nothing is left behind.")
    else:
        for fault in found:
            click.echo(f"{fault['id']}  {fault['state']:<7}  {fault['sentence']}\n{'':19}{_detail(fault)}")
        click.echo(
            "Undo one with `chaosctl recover ID`, what is yours or was left behind with `chaosctl recover --all`."
        )
    if problem:
        raise problem
    if unseen := [fault["id"] for fault in found if fault["unseen"]]:
        raise Unreachable(
            f"Not all is known: {', '.join(unseen)} could not be looked at everywhere.",
            "Mend what stands in the way and look again. Where a target is gone for good, as a cluster that was "
            "deleted: chaosctl recover ID --gone",
        )


def _entries(environment: str) -> tuple[Sequence[ledger.Entry], ChaosctlError | None]:
    """Return what is known, and what kept the cluster from saying what it knows."""
    try:
        return residue.everything(environment), None
    except (CommandFailed, Missing, Unreachable) as error:
        return residue.everything(elsewhere=False), error


def _listed(entry: ledger.Entry) -> dict[str, Any]:
    states: dict[str, str] = {}
    unseen: dict[str, str] = {}
    unentered: dict[str, str] = {}
    for site in entry.sites:
        try:
            states[site.target], why = reading.read(entry, site)
            unentered |= {site.target: why} if why else {}
        except ChaosctlError as error:
            states[site.target], unseen[site.target] = _UNKNOWN, error.message
    return {
        "id": entry.id,
        "fault": entry.fault,
        "state": next(state for state in _WORST_FIRST if state in {*states.values(), State.ABSENT}),
        "sentence": entry.sentence,
        "deadline": entry.deadline,
        "environment": entry.environment,
        "owner": entry.owner,
        "targets": states,
        "unseen": unseen,
        "unentered": unentered,
    }


def _detail(fault: dict[str, Any]) -> str:
    left = format_duration(max(0.001, fault["deadline"] - clock()))
    unseen = "; ".join(f"{target}: {reason}" for target, reason in fault["unseen"].items())
    told = {
        State.LIVE: f"ends by itself in {left}" if fault["deadline"] else "when it ends by itself is not known",
        _UNKNOWN: f"{_due(fault['deadline'])}, but it could not be looked at: {unseen}",
        State.INERT: "acts no longer; what is left of it is harmless",
        State.ABSENT: "nothing of it is at its targets; only the ledger remembers it",
    }
    unentered = "".join(f"; {target}: {why}" for target, why in fault["unentered"].items())
    return f"by {fault['owner']}; {told[fault['state']]}{unentered}"


def _due(deadline: float) -> str:
    """Return what is known of a fault's end without looking."""
    if not deadline:
        return "its deadline is not known"
    left = deadline - clock()
    return (
        f"its deadline is in {format_duration(left)}" if left > 0 else f"its deadline was {format_duration(-left)} ago"
    )
