"""Samples from what Prometheus answers: one number per moment, read from series that are current, or why not."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from probes._promql import Need, Query, Row
from probes._shape import Shape
from runner.model import Outcome, Sample, format_duration

__all__ = ["Answer", "Span", "answers", "freshness_query", "judge", "judge_all", "not_one"]

_LABEL = "chaosctl"


@dataclass(frozen=True)
class Span:
    """When the series that a selector found were scraped: the one longest ago, and the latest."""

    oldest: float
    newest: float


@dataclass(frozen=True)
class Answer:
    """What came back for one moment: the values of all series, and the spans of those selectors that found any."""

    at: float
    values: tuple[float, ...] = ()
    spans: Mapping[str, Span] = field(default_factory=dict)

    @property
    def newest(self) -> float | None:
        """When the latest of the samples behind the value was scraped."""
        return max((span.newest for span in self.spans.values()), default=None)


def freshness_query(query: Query) -> str:
    """Return the query for the oldest and newest scrape that each selector of another query finds."""
    return " or ".join(
        f'label_replace({pick}(timestamp({text})), "{_LABEL}", "{pick}{place}", "", "")'
        for place, text in enumerate(_texts(query))
        for pick in ("min", "max")
    )


def answers(query: Query, times: Iterable[float], values: Iterable[Row], freshness: Iterable[Row]) -> list[Answer]:
    """Return what was answered for each time, with offsets taken out of the times of scrapes."""
    found: defaultdict[float, list[float]] = defaultdict(list)
    for row in values:
        for at, value in row.points:
            found[round(at, 3)].append(value)
    scraped = {(row.labels[_LABEL], round(at, 3)): moment for row in freshness for at, moment in row.points}
    texts = _texts(query)

    def spans(at: float) -> dict[str, Span]:
        return {
            text: Span(scraped[f"min{place}", at] + offset, scraped[f"max{place}", at] + offset)
            for place, (text, offset) in enumerate(texts.items())
            if (f"min{place}", at) in scraped
        }

    return [Answer(at, tuple(found[at]), spans(at)) for at in times]


def judge_all(query: Query, shape: Shape, answered: Sequence[Answer]) -> list[Sample]:
    """Return a sample for each answer but the first, which is there to tell what is repeated."""
    return [not_one(answer) or judge(query, shape, answer, before.newest) for before, answer in pairwise(answered)]


def judge(query: Query, shape: Shape, answer: Answer, before: float | None = None) -> Sample:
    """Return the sample that an answer with one value is; `before` is the latest scrape behind the one before it.

    A value's time is that of the latest scrape behind it, any other outcome's the moment asked for.
    """
    value, newest = answer.values[0], answer.newest
    if old := _old(query, shape, answer):
        return Sample(answer.at, Outcome.STALE, detail=old)
    if newest is not None and before is not None and newest <= before:
        return Sample(answer.at, Outcome.REPEATED, detail="nothing was scraped since the sample before")
    if not math.isfinite(value):
        return Sample(answer.at, Outcome.NAN, detail=_not_finite(value))
    return Sample(answer.at if newest is None else newest, Outcome.GOOD, value)


def not_one(answer: Answer) -> Sample | None:
    """Return the sample that an answer without series, or with several, is; none where it has exactly one."""
    if not answer.values:
        return Sample(answer.at, Outcome.NO_SERIES, detail="no series")
    if len(answer.values) == 1:
        return None
    return Sample(answer.at, Outcome.SEVERAL_SERIES, detail=f"{len(answer.values)} series where one is meant")


def _old(query: Query, shape: Shape, answer: Answer) -> str:
    """Say why a value is not one of its moment, or nothing where it is."""
    for selector in query.selectors:
        span = answer.spans.get(selector.shifted)
        if span is None and selector.need is Need.REQUIRED:
            return f"no series of `{selector.text}` is current: the value is from before they went"
        if span and answer.at - span.oldest > shape.largest_age:
            age, allowed = format_duration(answer.at - span.oldest), format_duration(shape.largest_age)
            return f"`{selector.text}` holds a sample {age} old, more than {allowed}"
    if not answer.spans and all(selector.need is not Need.ABSENCE for selector in query.selectors):
        return "none of the series it reads is current: the value is old, or what stands in by `or`"
    return ""


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "the value is NaN, as 0/0 is"
    return f"the value is {'+' if value > 0 else '-'}Inf, as a division by zero is"


def _texts(query: Query) -> dict[str, float]:
    return {selector.shifted: selector.offset for selector in query.selectors}
