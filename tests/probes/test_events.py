import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from probes._events import is_new_from_zero
from probes._promql import Row
from probes.prometheus import Server, events, server
from reports.record import Events
from runner.errors import Inconclusive, UsageError
from runner.model import clock
from tests.probes._prometheus_server import Exporter, Job, running, until

FIRST_FAILURE, RESTART, LAST = 5, 9, 13


def added(scrape: int) -> tuple[int, int]:
    """What the shop counts between a scrape and the one before: good events and bad ones."""
    return 5 + scrape, (2 + scrape if scrape >= FIRST_FAILURE else 0)


def counted(first: int, last: int) -> tuple[int, int]:
    pairs = [added(scrape) for scrape in range(first, last + 1)]
    return sum(good for good, _ in pairs), sum(bad for _, bad in pairs)


def shop(scrape: int) -> str:
    """Its failures are a series that is born at the first of them, and both counters restart once."""
    good, bad = counted(RESTART if scrape >= RESTART else 0, scrape)
    failures = f'requests_total{{code="500"}} {bad}\n' if bad else ""
    return f'scrape_number {scrape}\nrequests_total{{code="200"}} {good}\n{failures}'


def long_away(scrape: int) -> str | int:
    """It has counted since long ago, and its first scrapes fail."""
    return 503 if scrape < 4 else f"visits_total {1000 + scrape}\n"


@dataclass(frozen=True)
class Lab:
    asked: Server
    found: Path
    newcomer: Exporter

    def scrapes(self, metric: str) -> list[tuple[float, int]]:
        [row] = self.asked._api.raw(metric, 300) or [Row({}, ())]
        return [(at, int(value)) for at, value in row.points]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("prometheus")
    found = folder / "found.json"
    found.write_text("[]")
    targets = [Exporter(shop), Exporter(long_away), Exporter(lambda scrape: f"visits_total {7 + scrape}\n")]
    jobs = [Job("shop", targets[:1]), Job("away", targets[1:2]), Job("new", file=found)]
    with running(folder, jobs) as url, server(url) as asked:
        yield Lab(asked, found, targets[2])
    for target in targets:
        target.stop()


@pytest.fixture(scope="module")
def scrapes(lab: Lab) -> list[tuple[float, int]]:
    """When the shop was scraped, and the number of each scrape, until after the last that counts."""
    return until(lambda: found if (found := lab.scrapes("scrape_number")) and found[-1][1] > LAST else [])


def test_increments_are_exactly_what_was_counted_between_scrapes(lab: Lab, scrapes: list[tuple[float, int]]) -> None:
    first = next(place for place, (_, number) in enumerate(scrapes) if number >= 2)
    start, end = scrapes[first][0], next(at for at, number in scrapes if number >= LAST)
    traffic = lab.asked.events("requests_total", 'requests_total{code="500"}', start, end)
    truth = expected(scrapes[first:], end)
    assert traffic.times
    assert list(traffic.times) == sorted(set(traffic.times))
    assert traffic.times[-1] == end
    good_and_bad, bad = 0.0, 0.0
    for at, every, failed in zip(traffic.times, traffic.all, traffic.bad, strict=True):
        good_and_bad, bad = good_and_bad + every, bad + failed
        assert (good_and_bad, bad) == truth[at]
    assert bad > 0
    assert traffic.note == ""


def expected(scrapes: list[tuple[float, int]], end: float) -> dict[float, tuple[int, int]]:
    """What had been counted since the first scrape, at each; what a restart took unseen is not in it."""
    every, failed, truth = 0, 0, dict[float, tuple[int, int]]()
    for (_, before), (at, number) in pairwise(scrapes):
        good, bad = counted(RESTART if before < RESTART <= number else before + 1, number)
        every, failed = every + good + bad, failed + bad
        truth[at] = every, failed
    return {at: sums for at, sums in truth.items() if at <= end}


def test_windows_that_adjoin_count_nothing_twice(lab: Lab, scrapes: list[tuple[float, int]]) -> None:
    moments = [at for at, _ in scrapes]
    start, cut, end = moments[1], moments[len(moments) // 2] + 0.3, moments[-1]
    whole = lab.asked.events("requests_total", "requests_total", start, end)
    parts = [lab.asked.events("requests_total", "requests_total", *part) for part in ((start, cut), (cut, end))]
    assert sum(whole.all) == sum(sum(part.all) for part in parts)


def test_a_series_counts_from_zero_only_where_it_began_there(lab: Lab) -> None:
    away = until(lambda: lab.scrapes('visits_total{job="away"}'))
    start = away[0][0] - 3
    lab.found.write_text(json.dumps([{"targets": [lab.newcomer.address]}]))
    new = until(lambda: found if len(found := lab.scrapes('visits_total{job="new"}')) >= 3 else [])
    end = clock()
    of_away = lab.asked.events('visits_total{job="away"}', "no_such_total", start, end)
    assert sum(of_away.all) == dict(lab.scrapes('visits_total{job="away"}'))[of_away.times[-1]] - away[0][1] > 0
    assert "1 series" in of_away.note
    of_new = lab.asked.events('visits_total{job="new"}', "no_such_total", start, end)
    assert of_new.all[0] == new[0][1] >= 7
    assert of_new.note == ""
    assert set(of_new.bad) == {0.0}


def test_the_runner_gets_events_as_records_keep_them(lab: Lab, scrapes: list[tuple[float, int]]) -> None:
    start, end = scrapes[1][0], scrapes[-1][0]
    recorded = Events.model_validate(events("requests_total", 'requests_total{code="500"}', start, end, lab.asked.url))
    traffic = lab.asked.events("requests_total", 'requests_total{code="500"}', start, end)
    assert [round(start + offset, 3) for offset in recorded.offsets] == list(traffic.times)
    assert (recorded.all, recorded.bad) == (traffic.all, traffic.bad)


@pytest.mark.parametrize(
    ("up", "sound"),
    [
        ([(90, 1), (100, 1)], True),
        ([(80, 1), (90, 0), (100, 1)], True),
        ([(100, 1)], True),
        ([(90, 0), (100, 1)], False),
    ],
)
def test_what_up_says_of_a_birth(up: list[tuple[float, float]], sound: bool) -> None:
    born = Row({"job": "a", "instance": "x"}, ((100, 3),))
    assert is_new_from_zero(born, {("a", "x"): up}) == sound
    assert not is_new_from_zero(born, {("a", "y"): up})


def test_expressions_are_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match=r"`rate\(a\[1m\]\)` is no plain selector"):
        lab.asked.events("requests_total", "rate(a[1m])", 0, 1)


def test_no_counter_is_no_traffic(lab: Lab) -> None:
    now = clock()
    with pytest.raises(Inconclusive, match=r"`no_such_total` .* nothing was scraped"):
        lab.asked.events("no_such_total", "no_such_total", now - 10, now)
