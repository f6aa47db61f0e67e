"""When faults are allowed: inside the environment's windows and on no frozen day, in its time zone."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from runner.guardrails.proposal import Proposal
from runner.guardrails.ruling import Ruling, allow, deny
from runner.limits import DAYS, Guardrails, Window, zone

__all__ = ["rule"]

_NAME = "time window"
_FREEZE = "freeze"
_DAY = timedelta(days=1)


def rule(proposal: Proposal) -> tuple[Ruling, ...]:
    """Return whether the whole fault, to its deadline, lies in allowed time; nothing where any time is."""
    return (*_windows(proposal), *_freeze(proposal))


def _windows(proposal: Proposal) -> Iterator[Ruling]:
    limits = proposal.limits
    if not limits.windows:
        return
    begin, end = _span(proposal)
    until = proposal.at
    for opens, closes in sorted(_openings(limits, begin.date(), end.date())):
        if opens <= until:
            until = max(until, closes)
    shown = " or ".join(_spoken(window) for window in limits.windows)
    if until >= proposal.at + proposal.seconds:
        yield allow(_NAME, f"{begin:%a %H:%M:%S} to {end:%a %H:%M:%S} {limits.time_zone} lies in {shown}")
        return
    yield deny(
        _NAME,
        f"A fault from {begin:%a %Y-%m-%d %H:%M:%S} to {end:%a %H:%M:%S} ({limits.time_zone}) is not within the times "
        f"that environment {proposal.chosen.name!r} allows: {shown}.",
        "Wait for the next one, ask for less, or add to guardrails.windows there.",
    )


def _freeze(proposal: Proposal) -> Iterator[Ruling]:
    limits = proposal.limits
    begin, end = _span(proposal)
    for first, last in limits.freeze:
        if first <= end.date() and begin.date() <= last:
            days = f"{first}" if first == last else f"{first} to {last}"
            yield deny(
                _FREEZE,
                f"Environment {proposal.chosen.name!r} is frozen on {days} ({limits.time_zone}).",
                "Wait until it is over, or take it off guardrails.freeze there.",
            )
            return
    if limits.freeze:
        yield allow(_FREEZE, f"{begin:%Y-%m-%d} is not frozen ({limits.time_zone})")


def _span(proposal: Proposal) -> tuple[datetime, datetime]:
    where = _zone(proposal.limits)
    return datetime.fromtimestamp(proposal.at, where), datetime.fromtimestamp(proposal.at + proposal.seconds, where)


def _zone(limits: Guardrails) -> tzinfo:
    found: tzinfo = UTC if limits.time_zone == "UTC" else zone(limits.time_zone)
    return found


def _openings(limits: Guardrails, first: date, last: date) -> Iterator[tuple[float, float]]:
    """Return when each window opens and closes, from the day before the first to the last; seconds since the epoch."""
    where = _zone(limits)
    for ahead in range(-1, (last - first).days + 1):
        day = first + ahead * _DAY
        for window in limits.windows:
            if day.weekday() in window.days:
                closing = day + _DAY * (window.closes <= window.opens)
                yield _at(day, window.opens, where), _at(closing, window.closes, where)


def _at(day: date, minutes: int, where: tzinfo) -> float:
    """Return the moment of a wall clock; two of one zone would be compared as if no clock were ever put back."""
    days, rest = divmod(minutes, 24 * 60)
    return datetime.combine(day + days * _DAY, time(rest // 60, rest % 60), where).timestamp()


def _spoken(window: Window) -> str:
    days = ",".join(DAYS[day] for day in window.days) if len(window.days) < 7 else "every day"
    return f"{days} {_clock(window.opens)}-{_clock(window.closes)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
