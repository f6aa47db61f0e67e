"""`chaosctl report rescore`: whether runs would be judged the same today, or by another formula."""

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from runner.cli.stored import opened, store_options, tell
from runner.errors import ChaosctlError, Unreachable, UsageError

if TYPE_CHECKING:
    from reports.record import Judgement, Record
    from reports.store import Store

__all__ = ["command"]

_COMPARED = "verdict", "exit_code", "score"


@click.command(name="rescore")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--formula", default="", metavar="N", help="Judge by this formula. Default: the one each was judged by.")
@store_options
def command(store: str, environment: str, output: str, runs: tuple[str, ...], formula: str) -> None:
    """Judge stored runs again, all of them by default, and say whether verdict and score are the same.

    Exit code 1 where one differs, 4 where a record is damaged. Records are never altered.
    """
    from reports.verdict import check_formula  # noqa: PLC0415 - `--help` imports click alone

    if formula:
        check_formula(formula)
    damaged: list[str] = []
    with opened(store, environment) as here:
        names = [here.find(run) for run in runs] if runs else here.recorded()
        rescored = (_rescored(record, formula) for record in _whole(here, names, damaged))
        different = _as_json(rescored) if output == "json" else _as_text(rescored)
    for reason in damaged:
        tell(f"Not judged: {reason}", err=True)
    if damaged:
        raise click.exceptions.Exit(4)
    if different:
        raise click.exceptions.Exit(1)


def _whole(here: "Store", names: Iterable[str], damaged: list[str]) -> Iterator["Record"]:
    for name in names:
        try:
            yield here.record(name)
        except (UsageError, Unreachable):
            raise
        except ChaosctlError as error:
            damaged.append(str(error))


def _as_json(rescored: Iterator[dict[str, Any]]) -> int:
    """Print one document, a run at a time: a store holds more records than memory does. Return how many differ."""
    different = 0
    click.echo('{"rescored": [', nl=False)
    for number, each in enumerate(rescored):
        click.echo(f"{', ' if number else ''}{json.dumps(each)}", nl=False)
        different += not each["same"]
    click.echo("]}")
    return different


def _as_text(rescored: Iterator[dict[str, Any]]) -> int:
    number = different = 0
    for each in rescored:
        tell(_line(each))
        number, different = number + 1, different + (not each["same"])
    if number > 1:
        click.echo(f"{number} runs judged again: {number - different} the same, {different} otherwise.")
    elif not number:
        click.echo("No run is recorded yet.")
    return different


def _rescored(record: "Record", formula: str) -> dict[str, Any]:
    from reports.verdict import judge  # noqa: PLC0415 - `--help` imports click alone

    stored = record.judgement or judge(record)
    now = judge(record, formula or stored.formula)
    before, after = _judged(stored), _judged(now)
    return {
        "run": record.run,
        "same": all(before[name] == after[name] for name in _COMPARED),
        "stored": before,
        "now": after,
    }


def _judged(judgement: "Judgement") -> dict[str, Any]:
    return judgement.model_dump(mode="json", include={*_COMPARED, "formula", "reasons"})


def _line(rescored: dict[str, Any]) -> str:
    stored, now = (_told(rescored[name]) for name in ("stored", "now"))
    if rescored["same"]:
        return f"{rescored['run']}  the same: {now}"
    return f"{rescored['run']}  differs: stored as {stored}; now {now}. {rescored['now']['reasons'][0]}"


def _told(judged: dict[str, Any]) -> str:
    score = "no score" if judged["score"] is None else f"{judged['score']:g} of 100"
    return f"{judged['verdict']}, {score}, formula {judged['formula']}"
