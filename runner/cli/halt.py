"""`chaosctl halt`: stop what runs, refuse what comes."""

import json
import time
from collections.abc import Callable

import click

from runner import ledger, residue
from runner.cli.options import env_option, output_option
from runner.config import Chosen, current_or_none
from runner.errors import ChaosctlError, Residue
from runner.guardrails import halt
from runner.guardrails.halt import Halt
from runner.holding import Hold
from runner.model import clock

__all__ = ["command"]

_PATIENCE = 5.0
_PAUSE = 0.1


@click.command()
@click.option("--lift", is_flag=True, help="Lift the halt: faults may be injected again.")
@click.option("--reason", default="", metavar="TEXT", help="Why; told to everybody who is stopped or refused.")
@env_option
@output_option
def command(lift: bool, reason: str, environment: str, output: str) -> None:
    """Stop what runs on this machine, and refuse everything until the halt is lifted.

    Where the environment has a cluster, it holds for what any machine runs there.

    Runs and injections heal and end by themselves within a second or two, with exit code 5; what has nobody left to
    heal it is undone here. Exit code 6: something could not be undone.
    """
    if lift:
        found = [halt.lift(), *_in_cluster(environment, _lift)]
        lifted = next((each for each in found if each), None)
        text = f"Lifted: {lifted.sentence}." if lifted else "No halt was called; there was nothing to lift."
        click.echo(json.dumps({"halted": False, "lifted": bool(lifted)}) if output == "json" else text)
        return
    called, problem = halt.declare(reason), None
    try:
        _in_cluster(environment, lambda chosen: _declare(chosen, called))
    except ChaosctlError as error:
        problem = ChaosctlError(f"The halt holds on this machine, and for no cluster: {error.message}", error.fix)
    with Hold():
        stopped, failures = _stopped(environment, elsewhere=not problem)
    if output == "json":
        told = {"halted": True, "who": called.who, "reason": reason, "stopped": stopped, "failures": failures}
        click.echo(json.dumps(told))
    else:
        click.echo(f"{called.sentence}. Nothing is injected until `chaosctl halt --lift`.")
        click.echo(f"Stopped: {', '.join(stopped)}. Nothing of it is left." if stopped else "Nothing was live.")
    if failures:
        raise Residue(" ".join(failures), "Mend what stands in the way, then: chaosctl recover --all")
    if problem:
        raise problem


def _in_cluster(environment: str, work: Callable[[Chosen], Halt | None]) -> list[Halt | None]:
    """Do something in the cluster of the chosen environment, where it has one, and return what came of it."""
    chosen = current_or_none(environment)
    return [work(chosen)] if chosen and chosen.environment.kubernetes else []


def _declare(chosen: Chosen, called: Halt) -> None:
    from runner import shared_halt  # noqa: PLC0415 - half a second that only clusters need

    shared_halt.declare(chosen, called)


def _lift(chosen: Chosen) -> Halt | None:
    from runner import shared_halt  # noqa: PLC0415

    return shared_halt.lift(chosen)


def _stopped(environment: str, *, elsewhere: bool) -> tuple[list[str], list[str]]:
    """Give every run the time to heal itself, then undo what is left; returns the ids, and what could not be undone."""
    found = {entry.id: entry for entry in residue.everything(environment, elsewhere=elsewhere)}
    limit = clock() + _PATIENCE
    while clock() < limit and any(entry.id in found for entry in residue.known(environment, elsewhere=elsewhere)):
        time.sleep(_PAUSE)
    failures = [error.message for error in residue.damaged(environment, elsewhere=elsewhere)]
    stopped = list(found)
    for entry in residue.everything(environment, elsewhere=elsewhere):
        try:
            ledger.undo(entry)
        except ChaosctlError as error:
            failures.append(error.message)
            stopped = [each for each in stopped if each != entry.id]
        else:
            stopped += [entry.id] * (entry.id not in stopped)
    return stopped, failures
