"""The words of the product as frozen types; the standard library only."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runner.errors import UsageError

__all__ = [
    "DNS_PROBE_ID",
    "OWN_PRIORITY",
    "PROBE_ECHO_ID",
    "PROBE_PORTS",
    "Check",
    "Command",
    "Count",
    "EndsBy",
    "Look",
    "Outcome",
    "ProbeCall",
    "Sample",
    "Sight",
    "State",
    "Steps",
    "Verdict",
    "clock",
    "format_duration",
    "format_rate",
    "format_size",
    "iso",
    "parse_duration",
    "parse_percent",
    "parse_rate",
    "parse_size",
]

DNS_PROBE_ID = 0xC4A0
"""The transaction id of every DNS query that chaosctl itself sends: a fault's counters leave it out by that."""

PROBE_ECHO_ID = 0xC4A0
"""The identifier of every ICMP echo request that chaosctl itself sends, for the same reason."""

PROBE_PORTS = range(0xC4A0, 0xC520)
"""The ports that chaosctl's own connections and datagrams come from, for the same reason."""

OWN_PRIORITY = 5
"""The priority (SO_PRIORITY) of chaosctl's own connections to a cluster: a fault of such requests spares them by it.

Anybody may set it, nobody else has a use for this one, and it does not leave the machine.
"""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SHORTEST, _LONGEST = 0.001, 365 * 86400.0
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)")
_BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(KiB|MiB|GiB)")
_BYTES = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SLOWEST, _FASTEST = 8e3, 10e9
_WALL = time.time() - time.monotonic()


def clock() -> float:
    """Return the time in seconds since the epoch, on a clock that never jumps within one process."""
    return _WALL + time.monotonic()


def iso(moment: float | None) -> str:
    """Return a moment as ISO 8601 in UTC with milliseconds, or a dash where it is not known."""
    if moment is None:
        return "-"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_duration(text: object) -> float:
    """Return seconds from text such as `90s`, `2500ms` or `1m30s`.

    Raises UsageError for anything else: a number without a unit too, because YAML reads `1:30` as 90. Less than a
    millisecond is none, because a kernel timer that rounds to 0 never ends; the kernel's longest is above a year.
    """
    if not isinstance(text, str) or not _DURATION.fullmatch(text.strip()):
        raise UsageError(
            f"{text!r} is not a duration.",
            "Write a number with its unit: 90s, 2500ms, 1m30s or 2h.",
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if not _SHORTEST <= seconds <= _LONGEST:
        raise UsageError(f"{text!r} is no time to wait for.", "A duration is at least 1ms and at most 365d.")
    return seconds


def format_duration(seconds: float) -> str:
    """Return seconds as people write them: `250ms`, `2.5s`, `90s`, `1m35s`, `2h`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 100:
        return f"{seconds:.3g}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = (hours, "h"), (minutes, "m"), (rest, "s")
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def parse_percent(text: object) -> float:
    """Return a percentage from text such as `10%` or `0.5%`, above 0% and at most 100%.

    Raises UsageError for anything else: a number without its sign too, because 0.1 may be meant as a tenth.
    """
    found = _PERCENT.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{text!r} is not a percentage.", "Write a number with its sign: 10% or 0.5%.")
    percent = float(found[1])
    if not 0 < percent <= 100:
        raise UsageError(f"{text!r} is no share of packets.", "A percentage is above 0% and at most 100%.")
    return percent


def parse_rate(text: object) -> float:
    """Return bits a second from text such as `512kbit`, `1mbit` or `1gbit`; raises UsageError for anything else."""
    found = _RATE.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found:
        raise UsageError(f"{text!r} is not a rate.", "Write a number with its unit: 512kbit, 1mbit or 1gbit a second.")
    rate = float(found[1]) * _BITS[found[2]]
    if not _SLOWEST <= rate <= _FASTEST:
        raise UsageError(f"{text!r} is no rate to hold packets to.", "A rate is at least 8kbit and at most 10gbit.")
    return rate


def parse_size(text: object) -> int:
    """Return bytes from text such as `512KiB`, `64MiB` or `2GiB`; raises UsageError for anything else.

    A number without its unit and the units of a thousand are refused: which one was meant would be a guess.
    """
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if not found or not (size := round(float(found[1]) * _BYTES[found[2]])):
        raise UsageError(f"{text!r} is not a size.", "Write a number with its unit: 512KiB, 64MiB or 2GiB.")
    return size


def format_size(size: float) -> str:
    """Return bytes as people write them: `512KiB`, `64MiB`, `2.5GiB`."""
    unit = next((unit for unit in ("GiB", "MiB") if size >= _BYTES[unit]), "KiB")
    return f"{size / _BYTES[unit]:.4g}{unit}"


def format_rate(rate: float) -> str:
    """Return bits a second as people write them: `512kbit`, `1mbit`, `2.5gbit`."""
    unit = next((unit for unit in ("gbit", "mbit") if rate >= _BITS[unit]), "kbit")
    return f"{rate / _BITS[unit]:.4g}{unit}"


class EndsBy(StrEnum):
    """What ends a fault when every process of ours is dead."""

    KERNEL = "kernel"
    ADMISSION = "admission"
    GUARDIAN = "guardian"
    ONE_SHOT = "one-shot"


class State(StrEnum):
    """What of a fault is at its target now."""

    LIVE = "live"
    INERT = "inert"
    ABSENT = "absent"


class Sight(StrEnum):
    """What an independent look saw of a fault's effect."""

    ABSENT = "absent"
    PRESENT = "present"
    UNCLEAR = "unclear"


class Outcome(StrEnum):
    """What one sample of a steady-state probe was. Only GOOD and BAD are samples of the system itself."""

    GOOD = "good"
    BAD = "bad"
    NO_SERIES = "no-series"
    SEVERAL_SERIES = "several-series"
    NAN = "nan"
    STALE = "stale"
    REPEATED = "repeated"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class Verdict(StrEnum):
    """How a run is judged."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    ABORTED = "aborted"

    @property
    def exit_code(self) -> int:
        """The exit code of a run with this verdict that left no residue."""
        return {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4, "aborted": 5}[self.value]


@dataclass(frozen=True)
class Command:
    """One command at a target: an argument list, never a shell string."""

    argv: tuple[str, ...]
    stdin: str = ""


@dataclass(frozen=True)
class Check:
    """A command that tells what of a fault is at its target.

    `live` is a pattern found in its output while the fault acts, `absent` one found in its error text when nothing is
    there. Neither: inert.
    """

    command: Command
    live: str
    absent: str


@dataclass(frozen=True)
class Count:
    """A command whose output holds, in the pattern's first group, how often the workload met the fault."""

    command: Command
    pattern: str


@dataclass(frozen=True)
class Steps:
    """All that one fault does at one target, as data: the ledger keeps it before the first of it runs.

    `drains` is how many seconds past the deadline the last of what it took in before may still be on its way.
    `notes` say in full sentences what this way of doing it leaves out.
    """

    inject: tuple[Command, ...]
    undo: tuple[Command, ...]
    checks: tuple[Check, ...]
    count: Count | None = None
    drains: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProbeCall:
    """A probe named as in an experiment, so that a fault declares its proof without importing it.

    The function is one of (at, before, **arguments) that looks once; with `stays`, of (at, **arguments), and returns a
    runner.fault.Watcher that looks from before the first look until after the last. `patience` is how many seconds the
    effect may take to show.

    It looks from the target's own network; with `here`, from where chaosctl runs: at what an API tells of the target.
    """

    function: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stays: bool = False
    patience: float = 10.0
    here: bool = False


@dataclass(frozen=True)
class Look:
    """One independent look at a fault's effect; times in seconds since the epoch."""

    asked: float
    answered: float
    sight: Sight
    detail: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One answer of a steady-state probe: the value where there was exactly one number, else why there was none.

    `outcome` is GOOD where there is a value; whether it is within tolerance is for the hypothesis to say.
    """

    at: float
    outcome: Outcome
    value: float | None = None
    detail: str = ""
