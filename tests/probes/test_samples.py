import math

import pytest

from probes._promql import Query, Row, read
from probes._samples import Answer, Span, answers, freshness_query, judge, judge_all, not_one
from probes._shape import Shape
from runner.model import Outcome

SHAPE = Shape(interval=1.0, range=0.0, spread=0.0, scraped=0.0)
NOW = 1000.5


def outcome(query: str, spans: dict[str, Span], value: float = 1.0) -> Outcome:
    return judge(read(query), SHAPE, Answer(NOW, (value,), spans)).outcome


CURRENT, OLD = Span(1000.0, 1000.0), Span(990.0, 1000.0)


@pytest.mark.parametrize(
    ("query", "spans", "expected"),
    [
        ("a", {"a": CURRENT}, Outcome.GOOD),
        ("a", {"a": OLD}, Outcome.STALE),
        ("rate(a[1m])", {}, Outcome.STALE),
        ("a / b", {"b": CURRENT}, Outcome.STALE),
        ("(a or vector(0)) / b", {"b": CURRENT}, Outcome.GOOD),
        ("(a or vector(0)) / b", {"a": OLD, "b": CURRENT}, Outcome.STALE),
        ("a or vector(0)", {}, Outcome.STALE),
        ("a unless b", {"a": CURRENT}, Outcome.GOOD),
        ("absent(a)", {}, Outcome.GOOD),
        ("absent(a) or vector(0)", {"a": CURRENT}, Outcome.GOOD),
    ],
)
def test_a_value_counts_where_what_it_needs_is_current(query: str, spans: dict[str, Span], expected: Outcome) -> None:
    assert outcome(query, spans) == expected


def test_the_largest_age_is_two_intervals_and_a_grace() -> None:
    edge = NOW - SHAPE.largest_age
    assert outcome("a", {"a": Span(edge, NOW)}) == Outcome.GOOD
    assert outcome("a", {"a": Span(edge - 0.001, NOW)}) == Outcome.STALE


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_value(value: float) -> None:
    sample = judge(read("a"), SHAPE, Answer(NOW, (value,), {"a": CURRENT}))
    assert (sample.outcome, sample.value) == (Outcome.NAN, None)
    assert f"{value:+}".replace("inf", "Inf").replace("+nan", "NaN") in sample.detail


def test_one_value_is_wanted() -> None:
    none, several = not_one(Answer(NOW)), not_one(Answer(NOW, (1.0, 2.0)))
    assert none is not None
    assert none.outcome == Outcome.NO_SERIES
    assert several is not None
    assert several.outcome == Outcome.SEVERAL_SERIES
    assert "2 series" in several.detail
    assert not_one(Answer(NOW, (1.0,))) is None


def test_a_step_without_a_new_scrape_is_repeated_and_times_are_those_of_scrapes() -> None:
    scrapes = [1000.0, 1001.0, 1001.0, 1002.0]
    answered = [Answer(1000.5 + place, (7.0,), {"a": Span(at, at)}) for place, at in enumerate(scrapes)]
    samples = judge_all(read("a"), SHAPE, answered)
    assert [sample.outcome for sample in samples] == [Outcome.GOOD, Outcome.REPEATED, Outcome.GOOD]
    assert [sample.at for sample in samples] == [1001.0, 1002.5, 1002.0]


def test_a_series_that_went_leaves_nothing_newer() -> None:
    answered = [Answer(1000.5, (2.0,), {"a": Span(999.9, 1000.4)}), Answer(1000.6, (1.0,), {"a": Span(999.9, 999.9)})]
    assert [sample.outcome for sample in judge_all(read("sum(a)"), SHAPE, answered)] == [Outcome.REPEATED]


def test_any_selector_that_was_scraped_makes_a_new_sample() -> None:
    slow = Span(1000.0, 1000.0)
    answered = [Answer(1000.5 + k, (7.0,), {"a": Span(1000.0 + k, 1000.0 + k), "b": slow}) for k in range(3)]
    assert [sample.outcome for sample in judge_all(read("a / b"), SHAPE, answered)] == [Outcome.GOOD] * 2


def test_offsets_are_taken_out_of_the_times_of_scrapes() -> None:
    query = read("a offset 1m")
    freshness = [Row({"chaosctl": f"{pick}0"}, ((NOW, 940.0),)) for pick in ("min", "max")]
    [answer] = answers(query, [NOW], [Row({}, ((NOW, 1.0),))], freshness)
    assert answer.newest == 1000.0
    assert judge(query, SHAPE, answer).outcome == Outcome.GOOD


def test_one_query_asks_for_the_age_of_every_selector() -> None:
    asked = freshness_query(Query("", read("a / b offset 1m").selectors + read("a").selectors))
    assert asked.count("timestamp(a)") == 2
    assert asked.count("timestamp(b offset 60000ms)") == 2
