"""`chaosctl report explain`: the terms of a score, the samples behind them, and what would raise it most."""

import json
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from runner.cli.stored import opened, standing, store_options, tell
from runner.errors import UsageError

if TYPE_CHECKING:
    from reports.explain import Explanation
    from reports.store import Store

__all__ = ["command"]

_COLUMNS = 80


@click.command(name="explain")
@click.argument("subject", metavar="RUN|SERVICE/FAULT|SERVICE")
@store_options
def command(store: str, environment: str, output: str, subject: str) -> None:
    """Explain a score: of a run (its id or `last`), of a service under a fault, or of a service."""
    with opened(store, environment) as here:
        explained = _explained(here, environment, subject)
    if output == "json":
        click.echo(json.dumps(asdict(explained)))
    else:
        tell("\n".join(_lines(explained)))


def _explained(here: "Store", environment: str, subject: str) -> "Explanation":
    from reports.explain import explain_cell, explain_run, explain_service  # noqa: PLC0415 - `--help` imports click alone

    now = standing(here, environment)
    services = {service.name: service for service in now.fleet.services}
    if subject in services:
        return explain_service(services[subject])
    service, _, fault = subject.rpartition("/")
    if fault and service in services:
        cell = next((cell for key, cell in now.cells.items() if key == (now.fleet.environment, service, fault)), None)
        if cell:
            return explain_cell(cell, now.now)
        raise UsageError(
            f"{service} was never run under {fault} in {now.fleet.environment or 'no environment'}.",
            "`chaosctl report services` shows what there is.",
        )
    record = here.record(here.find(subject))
    return explain_run(record, record.judgement.formula) if record.judgement else explain_run(record)


def _lines(explained: "Explanation") -> Iterator[str]:
    yield from textwrap.wrap(f"{explained.subject}: {explained.sentence}", _COLUMNS)
    if explained.terms:
        yield "\nTerms"
        for term in explained.terms:
            yield f"  {term.name}: {term.value}"
            yield from _indented(term.basis, "    ", "    ")
    if explained.samples:
        yield "\nWhat it rests on"
        for sample in explained.samples:
            yield from _indented(sample, "  - ", "    ")
    if explained.levers:
        yield "\nWhat would raise it most"
        for lever in explained.levers:
            gain = " " * 6 if lever.gain is None else f"{lever.gain:+6.1f}"
            yield from _indented(lever.what, f"  {gain}  ", " " * 10)


def _indented(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(text, _COLUMNS, initial_indent=first, subsequent_indent=then, break_on_hyphens=False)
