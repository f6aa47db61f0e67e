"""What commands that read a store share: their options, and the store with what waits in the spool for it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.cli.options import env_option, output_option

if TYPE_CHECKING:
    from reports.cells import Cell, Key
    from reports.services import Declared, Fleet
    from reports.sink import Pushed
    from reports.store import Store

__all__ = [
    "Standing",
    "declared",
    "opened",
    "pushed_line",
    "standing",
    "store_option",
    "store_options",
    "store_url",
    "tell",
    "tell_left",
]

_F = TypeVar("_F", bound=Callable[..., Any])


def store_option(command: _F) -> _F:
    """Add --store."""
    text = "URL of the store. Default: the environment's, else the file in the state directory."
    return click.option("--store", default="", metavar="URL", help=text)(command)


def store_options(command: _F) -> _F:
    """Add --store, --env and --output."""
    return store_option(env_option(output_option(command)))


@contextmanager
def opened(store: str, environment: str) -> Iterator["Store"]:
    """Yield the store, after it got what waits in the spool for it."""
    from reports.sink import deliver  # noqa: PLC0415 - `--help` imports click alone
    from reports.store import open_store  # noqa: PLC0415 - as above

    url = store_url(store, environment)
    pushed = deliver(url)
    if pushed.stored:
        click.echo(pushed_line(pushed), err=True)
    tell_left(pushed, url)
    with open_store(url) as here:
        yield here


def store_url(store: str, environment: str) -> str:
    """Return which store is meant: `--store`, else the chosen environment's, else none named."""
    from runner.config import current_or_none  # noqa: PLC0415 - `--help` imports click alone

    chosen = None if store else current_or_none(environment)
    return chosen.store_url() if chosen else store


def pushed_line(pushed: "Pushed") -> str:
    """Return what was delivered, in a sentence."""
    from reports.words import counted  # noqa: PLC0415 - `--help` imports click alone

    if not (pushed.stored or pushed.present or pushed.refused):
        return "Nothing waits in the spool."
    there = f", {counted(pushed.present, 'record')} there already" if pushed.present else ""
    return f"Delivered from the spool: {counted(pushed.stored, 'record')} stored{there}."


def tell(text: str, *, err: bool = False) -> None:
    """Print lines that hold words out of records: no terminal obeys them."""
    from reports.words import printable  # noqa: PLC0415 - `--help` imports click alone

    click.echo("\n".join(map(printable, text.split("\n"))), err=err)


def tell_left(pushed: "Pushed", url: str) -> None:
    """Say what stays in the spool, and why."""
    from reports import spool  # noqa: PLC0415 - `--help` imports click alone
    from reports.place import resolved, without_password  # noqa: PLC0415 - as above

    for reason in pushed.refused:
        tell(f"Not delivered: {reason}", err=True)
    others = set(spool.stores()) - {without_password(resolved(url))}
    for other in sorted(others):
        click.echo(f"The spool also holds runs for {other}: choose it with --env or --store.", err=True)


@dataclass(frozen=True)
class Standing:
    """How the services of one environment stand now, and the cells that this rests on."""

    now: float
    cells: "Mapping[Key, Cell]"
    fleet: "Fleet"


def standing(here: "Store", environment: str) -> Standing:
    """Return how the services of the chosen environment stand; without one, of that in which the latest run was."""
    from reports.cells import cells  # noqa: PLC0415 - `--help` imports click alone
    from reports.scored import summaries  # noqa: PLC0415 - as above
    from reports.services import fleet  # noqa: PLC0415 - as above
    from runner.config import current_or_none  # noqa: PLC0415 - as above
    from runner.model import clock  # noqa: PLC0415 - as above

    chosen, now = current_or_none(environment), clock()
    runs = summaries(here, now)
    latest = max(runs, key=lambda run: run.started).environment if runs else ""
    found = cells(runs, now)
    name = chosen.name if chosen else latest
    return Standing(now, found, fleet(found, declared().get(name, {}), name))


def declared() -> "dict[str, dict[str, Declared]]":
    """Return what chaosctl.yaml says of the services of each environment."""
    from reports.services import Declared  # noqa: PLC0415 - `--help` imports click alone
    from runner.config import load  # noqa: PLC0415 - as above

    return {
        name: {service: Declared(**said.model_dump()) for service, said in environment.services.items()}
        for name, environment in load().environments.items()
    }
