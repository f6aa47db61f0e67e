"""`chaosctl recover`: undo what is in the ledger, and what was left without one."""

import json

import click

from runner import ledger, residue
from runner.cli.options import env_option, output_option
from runner.errors import ChaosctlError, Residue, UsageError
from runner.holding import Hold

__all__ = ["command"]


@click.command()
@click.argument("fault_id", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Undo all that `chaosctl faults` lists.")
@env_option
@output_option
def command(fault_id: str, everything: bool, environment: str, output: str) -> None:
    """Undo the fault ID, or all of them; can be repeated.

    Waits for commands of a killed runner that are still in flight. Exit code 6: something could not be undone.
    """
    if bool(fault_id) == everything:
        raise UsageError("It was not said what to undo.", "`chaosctl recover ID`, or --all for everything listed.")
    undone, failures = [], []
    with Hold():
        for entry in residue.everything(environment) if everything else _all_of(fault_id, environment):
            try:
                ledger.undo(entry)
                undone.append(entry.id)
            except ChaosctlError as error:
                failures.append(error.message)
    failures += [error.message for error in ledger.damaged()] if everything else []
    _say(undone, failures, output)
    if failures:
        raise Residue(" ".join(failures), "Mend what stands in the way, then: chaosctl recover --all")


def _all_of(fault_id: str, environment: str) -> list[ledger.Entry]:
    """Return the fault wherever it is; nothing where it is known and was undone before."""
    found = [entry for entry in residue.everything(environment) if entry.id == fault_id]
    if not found:
        ledger.find(fault_id)
    return found


def _say(undone: list[str], failures: list[str], output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"undone": undone, "failures": failures}))
    elif undone:
        click.echo(f"Undone: {', '.join(undone)}. Nothing of it is left.")
    elif not failures:
        click.echo("Nothing to undo.")
