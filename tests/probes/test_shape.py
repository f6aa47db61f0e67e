from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from probes._promql import Row
from probes._shape import Shape, middle_and_spread, typical_interval
from probes.prometheus import Server, server
from runner.errors import Inconclusive, UsageError
from tests.probes._prometheus_server import Exporter, Job, running, until


def row(*moments: float) -> Row:
    return Row({}, tuple((moment, 1.0) for moment in moments))


@pytest.mark.parametrize(
    ("rows", "interval"),
    [
        ([row(0, 15, 30)], 15),
        ([row(0.004, 15, 30.003, 45.001)], 15),
        ([row(0, 1, 2, 3, 60, 61, 62)], 1),
        ([row(0, 15, 30), row(0, 60, 120)], 60),
        ([row(0, 15, 30), row(100, 400)], 15),
        ([row(0, 0.25, 0.5)], 0.25),
        ([row(0, 15)], 0),
        ([], 0),
    ],
)
def test_the_interval_is_the_longest_usual_distance(rows: list[Row], interval: float) -> None:
    assert typical_interval(rows) == interval


@pytest.mark.parametrize(
    ("moments", "middle", "spread"),
    [([100.0], 10, 0), ([101.0, 99.0], 10, 2), ([104.0, 91.5], 0.25, 2.5), ([100.0, 103.0, 106.0], 13, 6)],
)
def test_scrapes_of_several_targets_spread_over_a_part_of_the_interval(
    moments: list[float], middle: float, spread: float
) -> None:
    assert middle_and_spread(moments, 15.0) == (middle, spread)


@pytest.mark.parametrize("step", [15.0, 5.0, 30.0, 7.5])
def test_steps_keep_away_from_scrapes(step: float) -> None:
    shape = Shape(interval=15.0, range=0.0, spread=0.0, scraped=4.0)
    steps = shape.steps(1000.0, 1120.0, step)
    assert all(abs((at - 4.0 + 7.5) % 15.0 - 7.5) >= min(step, 15.0) / 2 for at in steps)
    assert all(after - before == step for before, after in pairwise(steps))
    assert len(steps) == 120 // step


def test_windows_that_adjoin_share_no_step() -> None:
    shape = Shape(interval=1.0, range=0.0, spread=0.0, scraped=0.3)
    cut = shape.steps(0.0, 10.0, 1.0)[4]
    assert shape.steps(0.0, cut, 1.0) + shape.steps(cut, 10.0, 1.0) == shape.steps(0.0, 10.0, 1.0)


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    targets = [Exporter(lambda scrape: f"quick {scrape}\n"), Exporter(lambda scrape: f"slow {scrape}\n")]
    jobs = [Job("quick", targets[:1]), Job("slow", targets[1:], "3s")]
    rules = {"job:quick:max1m": "max_over_time(quick[1m])", "job:twice:max1m": "max_over_time(job:quick:max1m[1m])"}
    with running(tmp_path_factory.mktemp("prometheus"), jobs, rules) as url, server(url) as asked:
        until(lambda: asked.instant("count_over_time(slow[1m]) >= 3").value and recorded(asked))
        yield asked
    for target in targets:
        target.stop()


def recorded(asked: Server) -> bool:
    return (asked.instant("count_over_time(job:twice:max1m[1m]) >= 3").value or 0) > 0


@pytest.mark.parametrize(
    ("query", "interval", "reach"),
    [
        ("quick", 1, 0),
        ("rate(slow[30s])", 3, 30),
        ("quick / on() slow", 3, 0),
        ("quick offset 1m", 1, 60),
        ("quick - quick @ 1", 1, 0),
        ("quick or vector(0)", 1, 0),
        ("max_over_time(quick[30s:5s])", 1, 35),
        ("absent(nowhere)", 3, 0),
        ("job:quick:max1m", 2, 60 + 1),
        ("job:twice:max1m", 2, 60 + 2 + 60 + 1),
        ("rate(job:quick:max1m[10s])", 2, 10 + 60 + 1),
    ],
)
def test_shapes_are_measured_from_what_is_scraped(
    prometheus: Server, query: str, interval: float, reach: float
) -> None:
    shape = prometheus.shape(query)
    assert (shape.interval, shape.range) == (interval, reach)
    assert shape.resolution == shape.interval + shape.range + shape.spread
    assert bool(shape.note) == ("nowhere" in query)


def test_reading_ahead_delays_settling(prometheus: Server) -> None:
    assert prometheus.shape("quick offset -1m").settling == prometheus.shape("quick").settling + 60


def test_a_recording_rule_that_is_kept_elsewhere_is_said(prometheus: Server) -> None:
    assert "job:unknown:rate5m" in prometheus.shape("quick + on() job:unknown:rate5m").note


def test_where_nothing_is_scraped_nothing_is_known(tmp_path: Path) -> None:
    with running(tmp_path, []) as url, server(url) as asked:
        with pytest.raises(Inconclusive, match="nothing was scraped") as caught:
            asked.shape("absent(nowhere)")
        assert "`absent(nowhere)`" in caught.value.message
        assert "/targets" in caught.value.fix


def test_the_servers_own_words_say_what_is_wrong_with_a_query(prometheus: Server) -> None:
    with pytest.raises(UsageError, match=r"refused `foo bar`.*unexpected identifier \"bar\""):
        prometheus.shape("foo bar")
