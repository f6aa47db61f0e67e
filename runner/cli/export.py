"""`chaosctl report export`: runs and scores in the formats that other programs and people read."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import env_option
from runner.cli.stored import Standing, declared, opened, standing, store_option, tell
from runner.errors import InvalidFile, Unreachable, UsageError

if TYPE_CHECKING:
    from reports.exports.junit import NotRun
    from reports.exports.sarif import FileFinding
    from reports.record import Record
    from reports.store import Row, Store

__all__ = ["command"]

_MOST = 100_000


@dataclass(frozen=True)
class _Wanted:
    """What is exported: the runs named or all since a moment, and what was expected and is not among them."""

    store: "Store"
    environment: str
    runs: tuple[str, ...]
    since: str
    expected: tuple[Path, ...]

    @cached_property
    def names(self) -> list[str]:
        """The runs that ended."""
        if self.since and self.runs:
            raise UsageError("RUN and --since are two ways to choose runs.", "Use one of them.")
        if self.since:
            return [row.run for row in self._rows if row.ended is not None]
        return [self.store.find(run) for run in self.runs or ("last",)]

    @property
    def records(self) -> "list[Record]":
        """The records, the oldest first."""
        return self._found[0]

    @property
    def pruned(self) -> "list[Row]":
        """The runs among them whose samples are gone, the oldest first: their verdicts and scores are known."""
        return self._found[1]

    @cached_property
    def not_run(self) -> "list[NotRun]":
        """What never ended, what was expected and never began, and else that nothing ran where a time was asked for."""
        from reports.exports.junit import NotRun  # noqa: PLC0415 - `--help` imports click alone

        never = "It began and never ended: it still goes on, or was killed. `chaosctl faults` shows what it left."
        unended = [NotRun(row.title, f"{never} Run {row.run}.") for row in self._rows if row.ended is None]
        found = [*unended, *(NotRun(str(path), why) for path, why, _ in self._missing)]
        nothing = self.since and not self._rows
        return found or ([NotRun("any experiment", self._nothing)] if nothing else [])

    @cached_property
    def at_fault(self) -> "list[FileFinding]":
        """What is wrong in files."""
        from reports.exports.sarif import FileFinding, sarif_findings  # noqa: PLC0415 - `--help` imports click alone

        missing = [
            FileFinding("invalid-file" if line else "did-not-run", why, str(path), line)
            for path, why, line in self._missing
        ]
        return [*missing, *sarif_findings(self.records)]

    @cached_property
    def standing(self) -> Standing:
        """How the services stand."""
        return standing(self.store, self.environment)

    @cached_property
    def _missing(self) -> list[tuple[Path, str, int]]:
        """Expected experiments without a run: the file, why, and the line at fault or 0."""
        from runner.experiment import check  # noqa: PLC0415 - `--help` imports click alone

        paths = [record.experiment.path for record in self.records] + [row.path for row in self.pruned]
        ran = {str(Path(path).resolve()) for path in paths if path}
        found = []
        for path in self.expected:
            try:
                check(path)
            except InvalidFile as error:
                found.append((path, str(error), max(1, error.place[1])))
            else:
                if str(path.resolve()) not in ran:
                    found.append((path, "It was expected, and no run of it is among these.", 0))
        return found

    @cached_property
    def _found(self) -> "tuple[list[Record], list[Row]]":
        from reports.store import SamplesPruned  # noqa: PLC0415 - `--help` imports click alone

        records, pruned = [], []
        for name in self.names:
            try:
                records.append(self.store.record(name))
            except SamplesPruned:
                pruned.append(self.store.row(name))
        gone = sorted(filter(None, pruned), key=_age)
        if gone:
            names = ", ".join(row.run for row in gone)
            tell(f"Their samples were pruned; verdict and score are all that is known of: {names}.", err=True)
        return sorted(records, key=_age), gone

    @cached_property
    def _rows(self) -> "list[Row]":
        if not self.since:
            return []
        from runner.model import clock, parse_duration  # noqa: PLC0415 - `--help` imports click alone

        begin = clock() - parse_duration(self.since)
        found = [row for row in self.store.rows(_MOST) if row.started >= begin]
        if not found:
            click.echo(self._nothing, err=True)
        return found

    @property
    def _nothing(self) -> str:
        return (
            f"No run in {self.store.place} started within the last {self.since}. See what should have started one; "
            "`chaosctl report list` shows the latest runs."
        )


def _age(run: "Record | Row") -> tuple[float, str]:
    return run.started, run.run


def _json(wanted: _Wanted) -> str:
    runs = [json.loads(record.canonical()) for record in wanted.records]
    told = {"runs": runs, "not_run": wanted.not_run, "pruned": wanted.pruned}
    return json.dumps(told, default=vars) + "\n"


def _junit(wanted: _Wanted) -> str:
    from reports.exports.junit import junit  # noqa: PLC0415 - `--help` imports click alone

    return junit(wanted.records, wanted.not_run, wanted.pruned)


def _html(wanted: _Wanted) -> str:
    from reports.exports.html import html  # noqa: PLC0415 - `--help` imports click alone

    if len(wanted.names) != 1:
        raise UsageError(f"A page is about one run, and these are {len(wanted.names)}.", "Name the one you mean.")
    return html(wanted.store.record(wanted.names[0]))


def _markdown(wanted: _Wanted) -> str:
    from reports.exports.digest import digest  # noqa: PLC0415 - `--help` imports click alone
    from reports.trends import findings  # noqa: PLC0415 - as above

    now = wanted.standing
    cells = {key: cell for key, cell in now.cells.items() if key.environment == now.fleet.environment}
    return digest(wanted.records, wanted.not_run, findings(cells), now.fleet, wanted.pruned)


def _sarif(wanted: _Wanted) -> str:
    from importlib.metadata import version  # noqa: PLC0415 - `--help` imports click alone

    from reports.exports.sarif import sarif  # noqa: PLC0415 - as above

    return sarif(wanted.at_fault, version("chaosctl"))


def _openmetrics(wanted: _Wanted) -> str:
    from reports.metrics import Metrics  # noqa: PLC0415 - `--help` imports click alone
    from reports.standings import Standings  # noqa: PLC0415 - as above
    from runner.model import clock  # noqa: PLC0415 - as above

    return Metrics(wanted.store, Standings(wanted.store), declared()).text(clock())


def _grafana(_wanted: _Wanted) -> str:
    from reports.exports.grafana import dashboard  # noqa: PLC0415 - `--help` imports click alone

    return dashboard()


_FORMATS: dict[str, Callable[[_Wanted], str]] = {
    "junit": _junit,
    "json": _json,
    "html": _html,
    "markdown": _markdown,
    "sarif": _sarif,
    "openmetrics": _openmetrics,
    "grafana": _grafana,
}


@click.command(name="export")
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("--format", "form", required=True, type=click.Choice(list(_FORMATS)), help="What to write.")
@click.option("--since", default="", metavar="DURATION", help="Instead of RUN: all that started within this time, 24h.")
@click.option(
    "--expect",
    "expected",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An experiment that should be among the runs; where it is not, that is an error in the export.",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Default: standard output.")
@store_option
@env_option
def command(form: str, out: Path | None, store: str, environment: str, **chosen: tuple[str, ...]) -> None:
    """Export runs, the last one by default, or scores.

    junit, json, markdown and sarif take any runs, html takes one; openmetrics and grafana are about all services.
    """
    with opened(store, environment) as here:
        text = _FORMATS[form](_Wanted(here, environment, **chosen))  # type: ignore[arg-type]
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text)
    except OSError as error:
        raise Unreachable(
            f"{out} cannot be written: {error.strerror}.", "Name a file in a folder that is there."
        ) from error
