"""What a person sees of a run while it goes: a live view on a terminal, plain lines elsewhere."""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import click

from runner.errors import ChaosctlError, UsageError
from runner.model import Outcome, clock, format_duration

__all__ = ["Ended", "follow"]

_KEPT = 60
_MARKS = {Outcome.GOOD: ("█", "green"), Outcome.BAD: ("▁", "red")}
_UNKNOWN = ("·", "yellow")


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code, record, and what to read."""

    code: int
    record: dict[str, Any] | None
    text: str


@dataclass
class _Seen:
    """What has been told so far."""

    started: float = field(default_factory=clock)
    lines: list[tuple[float, str, str]] = field(default_factory=list)
    samples: dict[str, deque[tuple[Outcome, Any]]] = field(default_factory=dict)
    ended: Ended | None = None

    def take(self, event: dict[str, Any]) -> None:
        """Add one event of the engine."""
        what = event["what"]
        if what == "sample":
            kept = self.samples.setdefault(event["probe"], deque(maxlen=_KEPT))
            kept.append((Outcome(event["outcome"]), event["value"]))
        elif what == "end":
            self.ended = _ended(event)
        elif what == "exit":
            self.ended = self.ended or _unrecorded(event)
        elif event["sentence"]:
            self.lines.append((event["at"] - self.started, what, event["sentence"]))


def follow(events: Iterable[dict[str, Any]], live: bool) -> Ended:
    """Show a run as it goes, and return how it ended."""
    seen = _Seen()
    for event in _live(events, seen) if live else events:
        told = len(seen.lines)
        seen.take(event)
        if not live:
            for at, what, sentence in seen.lines[told:]:
                click.echo(f"{format_duration(max(at, 0.001)):>7}  {what:<10} {sentence}", err=True)
    assert seen.ended is not None  # noqa: S101 - the engine's last event is always the exit
    return seen.ended


def _ended(event: dict[str, Any]) -> Ended:
    from reports.record import Record  # noqa: PLC0415 - pydantic's models are built when a run has ended
    from reports.text import summary  # noqa: PLC0415

    record = json.loads(event["record"])
    return Ended(event["exit_code"], record, summary(Record.model_validate(record), event["kept"]))


def _unrecorded(event: dict[str, Any]) -> Ended:
    """A run that ended without a record: Chaos Toolkit refused it before it began, or it was killed."""
    code, tail = event["code"], "\n".join(event["log"].strip().splitlines()[-5:])
    if code == 1 and "Traceback" not in event["log"]:
        return Ended(UsageError.exit_code, None, f"chaosctl: Chaos Toolkit refused the experiment:\n{tail}")
    told = f"chaosctl: The run left no record: its process ended with {code}.\n{tail}"
    fix = "  What it injected ends by itself at its deadline; `chaosctl faults` shows what is left."
    return Ended(code if code > 1 else ChaosctlError.exit_code, None, f"{told}\n{fix}")


def _live(events: Iterable[dict[str, Any]], seen: _Seen) -> Iterator[dict[str, Any]]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.live import Live  # noqa: PLC0415

    with Live(console=Console(stderr=True), refresh_per_second=8, get_renderable=lambda: _picture(seen)):
        yield from events


def _picture(seen: _Seen) -> Any:
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    rows = []
    for at, what, sentence in seen.lines:
        row = Text(f"{format_duration(max(at, 0.001)):>7}  ", style="dim")
        rows.append(row.append(f"{what:<10} ", style="bold").append(sentence, style="not dim"))
    for probe, samples in seen.samples.items():
        row = Text(f"\n{probe}  ")
        for outcome, _ in samples:
            mark, colour = _MARKS.get(outcome, _UNKNOWN)
            row.append(mark, style=colour)
        outcome, value = samples[-1]
        shown = f"{value:.4g}" if isinstance(value, float) else outcome.value
        rows.append(row.append(f"  {shown}", style="bold"))
    rows.append(Text(f"\n{format_duration(max(clock() - seen.started, 0.001))}; Ctrl-C heals at once", style="dim"))
    return Group(*rows)
