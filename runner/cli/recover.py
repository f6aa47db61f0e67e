"""`chaosctl recover`: undo what is in the ledger, and what was left without one."""

import json
from collections.abc import Iterable

import click

from runner import ledger, residue
from runner.cli.options import env_option, output_option
from runner.errors import ChaosctlError, Residue, UsageError
from runner.holding import Hold
from runner.model import clock, format_duration

__all__ = ["command"]


@click.command()
@click.argument("fault_id", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Undo what is your own, and what was left behind.")
@click.option("--everyone", is_flag=True, help="Undo all that `chaosctl faults` lists, also of runs that go on.")
@env_option
@output_option
def command(fault_id: str, everything: bool, everyone: bool, environment: str, output: str) -> None:
    """Undo the fault ID, or several; can be repeated.

    Waits for commands of a killed runner that are still in flight. Exit code 6: something could not be undone.
    """
    if bool(fault_id) == (everything or everyone):
        raise UsageError(
            "It was not said what to undo.",
            "`chaosctl recover ID`, or --all for what is your own or was left behind, or --everyone for all there is.",
        )
    undone, failures = [], []
    with Hold():
        found = _of(fault_id, environment) if fault_id else residue.everything(environment)
        spared = residue.in_use(found) if everything and not everyone else ()
        for entry in (entry for entry in found if entry not in spared):
            try:
                ledger.undo(entry)
                undone.append(entry.id)
            except ChaosctlError as error:
                failures.append(error.message)
    failures += [] if fault_id else [error.message for error in ledger.damaged()]
    _say(undone, spared, failures, output)
    if failures:
        raise Residue(" ".join(failures), "Mend what stands in the way, then: chaosctl recover --all")


def _of(fault_id: str, environment: str) -> tuple[ledger.Entry, ...]:
    """Return the fault wherever it is; nothing where it is known and was undone before."""
    found = tuple(entry for entry in residue.everything(environment) if entry.id == fault_id)
    if not found:
        ledger.find(fault_id)
    return found


def _say(undone: list[str], spared: Iterable[ledger.Entry], failures: list[str], output: str) -> None:
    left = list(spared)
    if output == "json":
        click.echo(json.dumps({"undone": undone, "in_use": [entry.id for entry in left], "failures": failures}))
        return
    if undone:
        click.echo(f"Undone: {', '.join(undone)}. Nothing of it is left.")
    elif not failures:
        click.echo("Nothing to undo.")
    for entry in left:
        ends = format_duration(max(0.001, entry.deadline - clock()))
        click.echo(
            f"In use: {entry.id}, by {entry.owner}, as far as can be told from here; it ends by itself in {ends}. "
            f"To undo it all the same: chaosctl recover {entry.id}, or --everyone for all such."
        )
