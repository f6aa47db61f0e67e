"""`chaosctl recover`: undo what is in the ledger, and what was left without one."""

import json

import click

from runner import ledger, residue
from runner.cli.options import output_option
from runner.errors import Residue, UsageError

__all__ = ["command"]


@click.command()
@click.argument("fault_id", metavar="[ID]", default="")
@click.option("--all", "everything", is_flag=True, help="Undo all that `chaosctl faults` lists.")
@output_option
def command(fault_id: str, everything: bool, output: str) -> None:
    """Undo the fault ID, or all of them; can be repeated.

    Waits for commands of a killed runner that are still in flight. Exit code 6: something could not be undone.
    """
    if bool(fault_id) == everything:
        raise UsageError("It was not said what to undo.", "`chaosctl recover ID`, or --all for everything listed.")
    wanted = [*ledger.entries(), *residue.strays()] if everything else [_one(fault_id)]
    failures = [failure for entry in wanted if (failure := _undone(entry))]
    done = [entry.id for entry in wanted if not entry.closed]
    if output == "json":
        click.echo(json.dumps({"undone": done, "failures": failures}))
    elif not failures:
        click.echo(f"Undone: {', '.join(done)}. Nothing of it is left." if done else "Nothing to undo.")
    if failures:
        raise Residue(" ".join(failures), "Mend what stands in the way, then: chaosctl recover --all")


def _one(fault_id: str) -> ledger.Entry:
    stray = next((entry for entry in residue.strays() if entry.id == fault_id), None)
    return stray or ledger.find(fault_id)


def _undone(entry: ledger.Entry) -> str:
    if entry.closed:
        return ""
    try:
        ledger.undo(entry)
    except Residue as error:
        return error.message
    return ""
