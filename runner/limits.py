"""The guardrails of an environment, as chaosctl.yaml writes them."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from runner.errors import UsageError
from runner.model import parse_percent
from runner.settings import Duration, Part

__all__ = ["DAYS", "Abort", "Guardrails", "Protected", "Window"]

DAYS = "mon", "tue", "wed", "thu", "fri", "sat", "sun"
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _percent(written: object) -> float:
    try:
        return parse_percent(written)
    except UsageError as error:
        raise ValueError(str(error)) from error


def _minutes(written: object) -> int:
    """Return minutes since midnight; YAML reads 17:00 without quotes as a number."""
    if not isinstance(written, str) or not (found := _TIME.fullmatch(written)):
        raise ValueError('write a time of day in quotes, as "09:00" or "17:30": YAML takes 17:30 for a number')
    return int(found[1]) * 60 + int(found[2]) if found[1] else 24 * 60


def _days(written: object) -> tuple[int, ...]:
    """Return weekdays, Monday is 0, from `mon-fri` or `sat,sun`; a range may go over Sunday."""
    found: list[int] = []
    for term in str(written).lower().replace(" ", "").split(","):
        first, _, last = term.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            raise ValueError(f"{term!r} is no weekday; write mon-fri, or sat,sun")
        day, end = DAYS.index(first), DAYS.index(last or first)
        found += [(day + step) % 7 for step in range((end - day) % 7 + 1)]
    return tuple(sorted(set(found)))


def _frozen(written: object) -> tuple[date, date]:
    """Return the first and the last day of `2026-12-24` or `2026-12-24..2027-01-02`."""
    first, _, last = str(written).partition("..")
    try:
        found = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError as error:
        raise ValueError(f"{written!r} is no day; write 2026-12-24, or 2026-12-24..2027-01-02") from error
    if found[1] < found[0]:
        raise ValueError(f"{written!r} ends before it begins")
    return found


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Percent = Annotated[float, BeforeValidator(_percent), _text(r"^\d+(\.\d+)?%$", "50%")]
TimeOfDay = Annotated[int, BeforeValidator(_minutes), _text(r"^\d\d:\d\d$", "09:00")]
Days = Annotated[tuple[int, ...], BeforeValidator(_days), _text("^[a-z, -]+$", "mon-fri", "sat,sun")]
Freeze = Annotated[
    tuple[date, date], BeforeValidator(_frozen), _text(r"^\d{4}", "2026-12-24", "2026-12-24..2027-01-02")
]


class Protected(Part):
    """What is never touched; a name may have * in it."""

    namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    nodes: tuple[str, ...] = Field(default=(), description="nodes, and hosts or targets by their name")


class Window(Part):
    """A time of the week in which faults are allowed; one that closes before it opens closes on the next day."""

    days: Days = tuple(range(7))
    opens: TimeOfDay = 0
    closes: TimeOfDay = 24 * 60


class Abort(Part):
    """A condition on which everything is healed at once: PromQL that answers with a series while it holds."""

    name: str
    query: str


class Guardrails(Part):
    """What is allowed in this environment."""

    production_allowed: bool = False
    max_duration: Duration = 900.0
    max_targets: int = Field(default=50, ge=1)
    max_percent: Percent = Field(default=100.0, description="largest share of one service's replicas")
    service_label: str = Field(default="app", description="the label that tells which service a host is a replica of")
    protected: Protected = Protected()
    time_zone: str = Field(default="UTC", description="of windows and freeze, as in Europe/Berlin")
    windows: tuple[Window, ...] = Field(default=(), description="faults lie inside one of these; none: at any time")
    freeze: tuple[Freeze, ...] = Field(default=(), description="days without faults")
    abort: tuple[Abort, ...] = ()
    critical_alert: Mapping[str, str] = Field(
        default={"severity": "critical"},
        description="labels of alerts that heal everything when one fires; {} watches none",
    )

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        if name != "UTC":
            zone(name)
        return name


def zone(name: str) -> Any:
    """Return a time zone by its name; raises ValueError where this machine knows none of that name."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - only windows need it

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is no time zone known here; write it as Europe/Berlin, or install tzdata"
        ) from error
