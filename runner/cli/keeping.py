"""`chaosctl report copy`, `prune`, `pin`, `unpin` and `migrate`: looking after a store."""

import json
from typing import TYPE_CHECKING

import click

from runner.cli.stored import opened, store_options, store_url, tell

if TYPE_CHECKING:
    from reports.retention import Pruned

__all__ = ["COMMANDS"]


@click.command()
@click.option("--to", "target", required=True, metavar="URL", help="The store to copy into.")
@store_options
def copy(store: str, environment: str, output: str, target: str) -> None:
    """Copy every run into another store, record by record the same bytes. It can be repeated, and interrupted.

    What waits in the spool is delivered first. Pins, roll-ups and tokens go too; the audit stays. Exit code 4
    where a run could not be copied.
    """
    from reports.copying import copy as copied  # noqa: PLC0415 - `--help` imports click alone
    from reports.place import resolved, without_password  # noqa: PLC0415 - as above
    from reports.store import open_store  # noqa: PLC0415 - as above
    from reports.words import counted  # noqa: PLC0415 - as above
    from runner.errors import UsageError  # noqa: PLC0415 - as above

    url = store_url(store, environment)
    if without_password(resolved(url)) == without_password(resolved(target)):
        raise UsageError("A store cannot be copied into itself.", "--to names another one.")
    with opened(store, environment) as source, open_store(target) as wanted:
        found = copied(source, wanted)
        place = wanted.place
    for reason in found.refused:
        tell(f"Not copied: {reason}", err=True)
    if output == "json":
        click.echo(json.dumps(vars(found)))
    else:
        click.echo(f"{counted(found.runs, 'run')} looked at, {found.new:,} of them new in {place}.")
    if found.refused:
        raise click.exceptions.Exit(4)


@click.command()
@click.option("--samples", default="30d", show_default=True, metavar="DURATION", help="How old samples may get.")
@click.option("--rollups", default="365d", show_default=True, metavar="DURATION", help="How old roll-ups may get.")
@click.option("--verdicts", default="730d", show_default=True, metavar="DURATION", help="How old anything may get.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@store_options
def prune(store: str, environment: str, output: str, dry_run: bool, **ages: str) -> None:
    """Remove what is too old: samples first, then their roll-ups, then verdicts. Pinned runs stay whole.

    A run whose samples went keeps its verdict, score and figures, and a roll-up of its series.
    """
    from reports.retention import Ages  # noqa: PLC0415 - `--help` imports click alone
    from reports.retention import prune as pruned  # noqa: PLC0415 - as above
    from reports.store import open_store  # noqa: PLC0415 - as above

    meant = Ages(**{name: _age(written) for name, written in ages.items()})
    with open_store(store_url(store, environment)) as here:
        found = pruned(here, meant, dry=dry_run)
    if output == "json":
        click.echo(json.dumps(vars(found) | {"dry_run": dry_run}))
    else:
        click.echo(_pruned_line(found, "Would remove" if dry_run else "Removed"))


def _age(written: str) -> float:
    """Return an age in seconds; days beyond a fault's longest duration are meant here."""
    from runner.errors import UsageError  # noqa: PLC0415 - `--help` imports click alone
    from runner.model import parse_duration  # noqa: PLC0415 - as above

    days = written.removesuffix("d")
    if days.isdecimal() and days != written and 0 < int(days) <= 36500:
        return int(days) * 86400.0
    try:
        return parse_duration(written)
    except UsageError as error:
        raise UsageError(f"{written!r} is not an age.", "Write days, such as 30d or 730d.") from error


def _pruned_line(found: "Pruned", did: str) -> str:
    from reports.words import counted  # noqa: PLC0415 - `--help` imports click alone

    return (
        f"{did} the samples of {counted(found.samples, 'run')} ({found.freed / 1e6:,.1f} MB), "
        f"{counted(found.rollups, 'roll-up')} and everything of {counted(found.verdicts, 'run')}. "
        f"{counted(found.pinned, 'pinned run')} of that age {'stays' if found.pinned == 1 else 'stay'} whole."
    )


@click.command()
@click.argument("run")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is kept.")
@store_options
def pin(store: str, environment: str, output: str, run: str, reason: str) -> None:
    """Keep everything of RUN for ever, and say why."""
    from runner.errors import UsageError  # noqa: PLC0415 - `--help` imports click alone

    if not reason.strip():
        raise UsageError("--reason says nothing.", "Write why it is kept, such as --reason 'the outage of March'.")
    _pin(store, environment, output, run, reason)


@click.command()
@click.argument("run")
@store_options
def unpin(store: str, environment: str, output: str, run: str) -> None:
    """Let RUN be pruned like any other."""
    _pin(store, environment, output, run, None)


def _pin(store: str, environment: str, output: str, run: str, reason: str | None) -> None:
    from reports.store import open_store  # noqa: PLC0415 - `--help` imports click alone

    with open_store(store_url(store, environment)) as here:
        name = here.find(run)
        here.pin(name, reason)
    if output == "json":
        click.echo(json.dumps({"run": name, "pinned": reason}))
    else:
        click.echo(f"{name} is {'kept whatever its age' if reason else 'subject to its age again'}.")


@click.command()
@click.option("--to", "revision", required=True, metavar="REVISION", help="The revision the older version knows.")
@store_options
def migrate(store: str, environment: str, output: str, revision: str) -> None:
    """Take the store's tables back to an older revision, for going back to an older chaosctl.

    Opening the store brings it forward again by itself. What the older revision has no place for is lost: tokens, the
    audit, pins, roll-ups, and the records of runs whose samples were pruned. Copy the store first.
    """
    from reports.connect import return_to  # noqa: PLC0415 - `--help` imports click alone

    return_to(revision, store_url(store, environment))
    told = f"The store has revision {revision}. Any command of this version that opens it brings it forward again."
    click.echo(json.dumps({"revision": revision}) if output == "json" else told)


COMMANDS = copy, prune, pin, unpin, migrate
