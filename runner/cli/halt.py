"""`chaosctl halt`: stop what runs, refuse what comes."""

import json
import time

import click

from runner import ledger, residue
from runner.cli.options import output_option
from runner.errors import ChaosctlError, Residue
from runner.guardrails import halt
from runner.model import clock

__all__ = ["command"]

_PATIENCE = 3.0
_PAUSE = 0.1


@click.command()
@click.option("--lift", is_flag=True, help="Lift the halt: faults may be injected again.")
@click.option("--reason", default="", metavar="TEXT", help="Why; told to everybody who is stopped or refused.")
@output_option
def command(lift: bool, reason: str, output: str) -> None:
    """Stop what runs on this machine, and refuse everything until the halt is lifted.

    Runs and injections heal and end by themselves within a second or two, with exit code 5; what has nobody left to
    heal it is undone here. Exit code 6: something could not be undone.
    """
    if lift:
        lifted = halt.lift()
        text = f"Lifted: {lifted.sentence}." if lifted else "No halt was called; there was nothing to lift."
        click.echo(json.dumps({"halted": False, "lifted": bool(lifted)}) if output == "json" else text)
        return
    called = halt.declare(reason)
    stopped, failures = _stopped()
    if output == "json":
        told = {"halted": True, "who": called.who, "reason": reason, "stopped": stopped, "failures": failures}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{called.sentence}. Nothing is injected until `chaosctl halt --lift`.")
        click.echo(f"Stopped: {', '.join(stopped)}. Nothing of it is left." if stopped else "Nothing was live.")
    if failures:
        raise Residue(" ".join(failures), "Mend what stands in the way, then: chaosctl recover --all")


def _stopped() -> tuple[list[str], list[str]]:
    """Give every run the time to heal itself, then undo what is left; returns the ids, and what could not be undone."""
    found = {entry.id: entry for entry in residue.everything()}
    limit = clock() + _PATIENCE
    while clock() < limit and any(entry.id in found for entry in ledger.entries()):
        time.sleep(_PAUSE)
    failures = [error.message for error in ledger.damaged()]
    stopped = list(found)
    for entry in residue.everything():
        try:
            ledger.undo(entry)
        except ChaosctlError as error:
            failures.append(error.message)
            stopped = [each for each in stopped if each != entry.id]
        else:
            stopped += [entry.id] * (entry.id not in stopped)
    return stopped, failures
