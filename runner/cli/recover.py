"""`chaosctl recover`: undo what is in the ledger, and what was left without one."""

import json
from collections.abc import Sequence

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
@click.option("--gone", is_flag=True, help="Its targets are gone for good, and nothing answers there: forget ID.")
@env_option
@output_option
def command(fault_id: str, everything: bool, everyone: bool, gone: bool, environment: str, output: str) -> None:
    """Undo the fault ID, or several; can be repeated.

    Waits for commands of a killed runner that are still in flight. Exit code 6: something could not be undone.
    """
    if bool(fault_id) == (everything or everyone):
        raise UsageError(
            "It was not said what to undo.",
            "`chaosctl recover ID`, or --all for what is your own or was left behind, or --everyone for all there is.",
        )
    if gone:
        _forget(fault_id, output)
        return
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
        failures += [] if fault_id else [str(error) for error in residue.damaged(environment)]
    _say(undone, spared, failures, output)
    if failures:
        raise Residue(
            " ".join(failures),
            "Mend what stands in the way, then: chaosctl recover --all. "
            "Where a target is gone for good, as a cluster that was deleted: chaosctl recover ID --gone",
        )


def _forget(fault_id: str, output: str) -> None:
    """Close the entry of a fault whose targets nobody will ever reach again; raises Residue where one answers."""
    if not fault_id:
        raise UsageError("--gone forgets one fault, and none was named.", "chaosctl recover ID --gone")
    entry = ledger.find(fault_id)
    ledger.give_up(entry)
    where = ", ".join(site.target for site in entry.sites)
    if output == "json":
        click.echo(json.dumps({"forgotten": [entry.id], "targets": [site.target for site in entry.sites]}))
    else:
        click.echo(f"Forgotten: {entry.id}. Nobody could look at {where}: that it is gone is your word.")


def _of(fault_id: str, environment: str) -> tuple[ledger.Entry, ...]:
    """Return the fault wherever it is; nothing where it is known and was undone before.

    A cluster is asked only for what is not known here: one that is away keeps nobody from undoing what is.
    """
    here = tuple(entry for entry in residue.everything(elsewhere=False) if entry.id == fault_id)
    found = here or tuple(entry for entry in residue.in_cluster(environment) if entry.id == fault_id)
    if not found:
        if doubt := residue.doubtful(environment).get(fault_id):
            raise doubt
        ledger.find(fault_id)
    return found


def _say(undone: list[str], spared: Sequence[ledger.Entry], failures: list[str], output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"undone": undone, "in_use": [entry.id for entry in spared], "failures": failures}))
        return
    if undone:
        click.echo(f"Undone: {', '.join(undone)}. Nothing of it is left.")
    elif not failures:
        click.echo("Nothing to undo.")
    for entry in spared:
        ends = format_duration(max(0.001, entry.deadline - clock()))
        click.echo(
            f"In use: {entry.id}, by {entry.owner}, as far as can be told from here; it ends by itself in {ends}. "
            f"To undo it all the same: chaosctl recover {entry.id}, or --everyone for all such."
        )
