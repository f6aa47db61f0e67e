"""Steady state from Prometheus: one number per moment, read from series that are current, or why there is none."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from probes import _events, _promql, _samples, _shape
from runner.errors import Inconclusive, Unreachable, UsageError
from runner.model import Outcome, Sample, clock, iso, parse_duration

if TYPE_CHECKING:
    from runner.config import Prometheus

__all__ = ["instant", "window"]

_FIXES = {
    Outcome.NO_SERIES: "Check its spelling and that its targets are up (page /targets). A comparison such as `x > 5` "
    "answers nothing where it is false: leave it to the tolerance.",
    Outcome.SEVERAL_SERIES: "Put sum(...), max(...) or another aggregation around it, or select one series.",
    Outcome.STALE: "See on the page /targets why they are not scraped.",
    Outcome.NAN: "Often nothing was counted: give it traffic, or a longer range.",
}


def instant(query: str, url: str = "") -> float:
    """Return the number that a PromQL query answers now.

    `url` is the address of a Prometheus without credentials; without it, the chosen environment's is asked. Raises
    Inconclusive for no series, several, a sample too old, NaN or infinity, Unreachable where the server does not
    answer, UsageError for a query that cannot be meant.
    """
    with server(url) as asked:
        return asked.value(query)


def window(query: str, url: str = "", start: str = "5m", end: str = "0s", step: str = "") -> list[list[float]]:
    """Return [time, value] for each step of a window, repeated samples left out.

    `start` and `end` are how long ago; `step` is the scrape interval unless given. Raises what `instant` does, for any
    step: a window with a gap is not known to be steady.
    """
    now, begin, finish = clock(), _ago(start), _ago(end)
    if begin <= finish:
        raise UsageError(f"The window from {start} ago to {end} ago has no length.", "`start` is the longer ago.")
    with server(url) as asked:
        samples = asked.samples(query, now - begin, now - finish, parse_duration(step) if step else None)
        values = [(each.at, _number(query, asked.url, each)) for each in samples if each.outcome != Outcome.REPEATED]
        if not values:
            raise Inconclusive(f"`{query}` at {asked.url}: no new sample in the window.", "Ask for a longer window.")
    return [[at, value] for at, value in values]


def follow(func: str, arguments: Mapping[str, Any]) -> "Followed | None":
    """Return the history behind a probe of this module, by its name and arguments; None where it is no single number.

    Raises Unreachable, UsageError, and Inconclusive where no scrape interval can be found.
    """
    if func != "instant":
        return None
    return Followed(arguments["query"], server(arguments.get("url", "")))


def events(all_selector: str, bad_selector: str, start: float, end: float, url: str = "") -> dict[str, Any]:
    """Return the events that two counters counted in (start, end], in the shape of reports.record.Events.

    Times in seconds since the epoch. Raises what `Server.events` does.
    """
    with server(url) as asked:
        traffic = asked.events(all_selector, bad_selector, start, end)
    return {
        "all_query": all_selector,
        "bad_query": bad_selector,
        "start": start,
        "offsets": [at - start for at in traffic.times],
        "all": list(traffic.all),
        "bad": list(traffic.bad),
    }


def counter_in(query: str) -> str:
    """Return the one selector in a query such as `sum(rate(requests_total{code="200"}[5m]))`.

    Raises UsageError where there is not exactly one: events are counted from the raw samples of a counter.
    """
    selectors = sorted({selector.text for selector in _promql.read(query).selectors})
    if len(selectors) != 1:
        raise UsageError(
            f"`{query}` reads {len(selectors)} selectors, and events are counted from one counter.",
            "Name the counters in the extension: `events: {all: ..., bad: ...}`.",
        )
    return selectors[0]


def server(url: str = "") -> "Server":
    """Return the Prometheus at an address, or the chosen environment's; raises UsageError where there is none."""
    from probes._prometheus_api import chosen  # noqa: PLC0415 - requests and pydantic take a quarter of a second

    return Server(chosen(url))


class Server:
    """One Prometheus through one run. Not shared between threads; closed by `close` or `with`."""

    def __init__(self, prometheus: "Prometheus") -> None:
        from probes._prometheus_api import Api  # noqa: PLC0415 - as above

        self._api = Api(prometheus)
        self._shapes: dict[str, _shape.Shape] = {}
        self.url = self._api.url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def value(self, query: str) -> float:
        """Return the number that a query answers now; raises as the probe `instant` does."""
        return _number(query, self.url, self._now(query))

    def series(self, query: str) -> "list[_promql.Row]":
        """Return the series that a query answers with now; raises Unreachable, UsageError, QueryFailed."""
        return self._api.instant(query)

    def unmatched(self, query: str) -> list[str]:
        """Return the selectors of a query that find nothing now: those whose name may be misspelt."""
        selectors = {each.text for each in self._read(query).selectors if each.need is not _promql.Need.ABSENCE}
        return sorted(text for text in selectors if not self._api.instant(f"count({text})"))

    def instant(self, query: str) -> Sample:
        """Return the sample of now; only what no waiting will mend is raised, as UsageError."""
        try:
            return self._now(query)
        except Unreachable as error:
            return Sample(clock(), Outcome.UNREACHABLE, detail=str(error))
        except Inconclusive as error:
            return Sample(clock(), Outcome.FAILED, detail=str(error))

    def samples(self, query: str, start: float, end: float, step: float | None = None) -> list[Sample]:
        """Return a sample for every step in (start, end]; `step` is the scrape interval unless given, in seconds.

        Steps lie midway between scrapes, so that jitter neither repeats nor skips one; a value's own time is that of
        the scrape before its step. To go on, start from the `at` of the last sample. What is read up to
        `shape(query).settling` ago never changes. Raises Unreachable, UsageError, and Inconclusive where no scrape
        interval can be found.
        """
        asked, shape = self._read(query), self.shape(query)
        every = step or shape.interval
        times = shape.steps(start, end, every)
        if not times:
            return []
        wider = (round(times[0] - every, 3), *times)
        try:
            values = self._api.range(query, wider, every)
        except Inconclusive as error:
            return [Sample(at, Outcome.FAILED, detail=error.message) for at in times]
        freshness = self._api.range(_samples.freshness_query(asked), wider, every)
        found = _samples.judge_all(asked, shape, _samples.answers(asked, wider, values, freshness))
        return [sample for sample in found if sample.at > start]

    def shape(self, query: str) -> _shape.Shape:
        """Return how sharp a query sees; measured once, then remembered, so that a run keeps its steps.

        Raises Unreachable, UsageError, and Inconclusive where nothing is scraped.
        """
        if query not in self._shapes:
            self._shapes[query] = _shape.measure(self._api, self._read(query))
        return self._shapes[query]

    def events(self, all_selector: str, bad_selector: str, start: float, end: float) -> _events.Traffic:
        """Return the events that two counters counted in (start, end], per scrape; times in seconds.

        Raises UsageError for anything but plain selectors, Inconclusive where `all_selector` finds nothing, and
        Unreachable.
        """
        selectors = [_promql.counter_selector(text).text for text in (all_selector, bad_selector)]
        length = end - start + _events.MARGIN
        every, bad = (self._api.raw(text, length, end) for text in selectors)
        if not any(row.points[-1][0] > start for row in every):
            raise Inconclusive(
                f"`{all_selector}` at {self.url}: nothing was scraped from {iso(start)} to {iso(end)}.",
                _FIXES[Outcome.NO_SERIES],
            )
        born = _events.newborn([*every, *bad], start)
        up = self._api.raw(_events.target_query(born), length, end) if born else []
        return _events.count(self.shape(all_selector), start, every, bad, up)

    def _now(self, query: str) -> Sample:
        asked = self._read(query)
        rows = self._api.instant(query)
        at = rows[0].points[0][0] if rows else clock()
        freshness = self._api.instant(_samples.freshness_query(asked), at) if len(rows) == 1 else []
        [answer] = _samples.answers(asked, [at], rows, freshness)
        return _samples.not_one(answer) or _samples.judge(asked, self.shape(query), answer)

    def _read(self, query: str) -> _promql.Query:
        try:
            return _promql.read(query)
        except _promql.NotUnderstood:
            self._api.instant(query)  # the server's own refusal says it better
            raise


class Followed:
    """A query with its history; times in seconds. `note` says what could not be found out about its sharpness."""

    def __init__(self, query: str, asked: Server) -> None:
        shape = asked.shape(query)
        self.query = query
        self.interval = shape.interval
        self.resolution = shape.resolution
        self.settling = shape.settling
        self.note = shape.note
        self._asked = asked

    def samples(self, start: float, end: float) -> list[Sample]:
        """Return the samples in (start, end]; raises what `Server.samples` does."""
        return self._asked.samples(self.query, start, end)

    def close(self) -> None:
        """Close the connections."""
        self._asked.close()


def _number(query: str, url: str, sample: Sample) -> float:
    if sample.value is None:
        raise Inconclusive(f"`{query}` at {url}, {iso(sample.at)}: {sample.detail}.", _FIXES.get(sample.outcome, ""))
    return sample.value


def _ago(text: str) -> float:
    return 0.0 if text == "0s" else parse_duration(text)
