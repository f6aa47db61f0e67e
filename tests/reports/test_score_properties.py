"""What holds for the score of every run, tried by Hypothesis on runs that it draws: docs/scores.md lists it."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from reports.record import Events, Record, Series
from reports.verdict import judge, judged
from runner.model import Outcome
from tests.reports._drawn import LEFT, counted, silence, valid_runs, watched, window
from tests.reports._records import SECONDS, START

T = TypeVar("T")
Change = Callable[[Record, DataObject], Record]
YEAR = 365 * 86400.0


def _more_events(*columns: str) -> Change:
    """Up to twenty seconds have more events, in each of these columns."""

    def change(before: Record, data: DataObject) -> Record:
        found = _events(before)
        more = data.draw(st.dictionaries(st.integers(0, SECONDS - 1), st.integers(1, 200), min_size=1, max_size=20))
        return before.model_copy(
            update={"events": found.model_copy(update={name: _raised(getattr(found, name), more) for name in columns})}
        )

    return change


def _events(of: Record) -> Events:
    assert of.events is not None
    return of.events


def _raised(values: tuple[float, ...], by: Mapping[int, float]) -> tuple[float, ...]:
    return tuple(value + by.get(second, 0) for second, value in enumerate(values))


def _more_of(outcomes: st.SearchStrategy[Outcome]) -> Change:
    def change(before: Record, data: DataObject) -> Record:
        found = _one_of(before, data)
        return _with(before, found, _seen(found, data.draw(_moments(before, outcomes))))

    return change


def _moments(before: Record, what: st.SearchStrategy[T]) -> st.SearchStrategy[dict[int, T]]:
    """Up to eight seconds from the first effect on, each with something drawn for it."""
    since = int(window(before).effective)
    later = st.dictionaries(st.integers(0, LEFT - 1), what, min_size=1, max_size=8)
    return later.map(lambda drawn: {since + after: each for after, each in drawn.items()})


def _seen(found: Series, changed: dict[int, Outcome]) -> Series:
    outcomes = tuple(changed.get(second, was) for second, was in enumerate(found.outcomes))
    return found.model_copy(update={"outcomes": outcomes})


def _fewer_samples(before: Record, data: DataObject) -> Record:
    found = _one_of(before, data)
    lost = data.draw(_moments(before, st.none()))
    return _with(before, found, _kept(found, [row for row, at in enumerate(found.offsets) if at not in lost]))


def _kept(found: Series, rows: list[int]) -> Series:
    columns = {name: tuple(getattr(found, name)[row] for row in rows) for name in ("offsets", "values", "outcomes")}
    return found.model_copy(update=columns)


def _longer_recovery(before: Record, data: DataObject) -> Record:
    found, healed = _one_of(before, data), int(window(before).healed)
    until = healed + data.draw(st.integers(1, 50))
    return _with(before, found, _seen(found, dict.fromkeys(range(healed, until), Outcome.BAD)))


def _one_more_series(before: Record, data: DataObject) -> Record:
    more = data.draw(watched)(int(window(before).effective), "one-more")
    return before.model_copy(update={"series": (*before.series, more)})


def _one_of(of: Record, data: DataObject) -> Series:
    return of.series[data.draw(st.integers(0, len(of.series) - 1))]


def _with(before: Record, found: Series, changed: Series) -> Record:
    return before.model_copy(update={"series": tuple(changed if each is found else each for each in before.series)})


_COUNTED = {"more bad events": _more_events("bad"), "more bad events of more": _more_events("all", "bad")}
NEVER_RAISE: dict[str, Change] = {
    **_COUNTED,
    "more bad samples": _more_of(st.just(Outcome.BAD)),
    "samples without data": _more_of(silence),
    "lost samples": _fewer_samples,
    "longer recovery": _longer_recovery,
    "one more series": _one_more_series,
}


@pytest.mark.parametrize("change", NEVER_RAISE.values(), ids=NEVER_RAISE.keys())
def test_no_worse_run_ever_has_a_higher_score(change: Change) -> None:
    """A change is made twice, so that what is late or bad already becomes worse too."""
    counting = counted(st.floats(0, 1)) if change in _COUNTED.values() else None
    lower = []

    @settings(max_examples=150)  # so many that five of them are lower, whatever is drawn
    @given(valid_runs(counting), st.data())
    def never_raises(before: Record, data: DataObject) -> None:
        worse = change(before, data)
        found = [judge(each).score for each in (before, worse, change(worse, data))]
        scores = [score for score in found if score is not None]
        assert scores == sorted(scores, reverse=True)
        lower.append(scores[:1] > scores[-1:])

    never_raises()
    assert sum(lower) >= 5


def _silent(before: Record, data: DataObject) -> Record:
    outcome = data.draw(silence)
    many = tuple(each.model_copy(update={"outcomes": (outcome,) * SECONDS}) for each in before.series)
    return before.model_copy(update={"series": many})


def _no_good_baseline(before: Record, data: DataObject) -> Record:
    """One of the last five samples before the fault is bad, or says nothing."""
    found, at = _one_of(before, data), int(window(before).committed) - data.draw(st.integers(1, 5))
    return _with(before, found, _seen(found, {at: data.draw(st.just(Outcome.BAD) | silence)}))


def _begun_with_the_fault(before: Record, data: DataObject) -> Record:
    found, first = _one_of(before, data), int(window(before).committed) - data.draw(st.integers(0, 4))
    late = found.model_copy(update={"start": START + first, "offsets": tuple(at - first for at in found.offsets)})
    return _with(before, found, _kept(late, list(range(first, SECONDS))))


def _met_nothing(before: Record, data: DataObject) -> Record:
    hits = data.draw(st.sampled_from([0, None]))
    (found,) = before.faults
    many = tuple(each.model_copy(update={"hits": hits}) for each in found.targets)
    return before.model_copy(update={"faults": (found.model_copy(update={"targets": many}),)})


def _but(**changes: Any) -> Change:
    return lambda before, _data: before.model_copy(update=changes)


NEVER_SCORED: dict[str, Change] = {
    "no series": _but(series=()),
    "no samples": lambda before, _: before.model_copy(update={"series": tuple(_kept(s, []) for s in before.series)}),
    "nothing known": _silent,
    "no good baseline": _no_good_baseline,
    "no samples before the fault": _begun_with_the_fault,
    "no fault": _but(faults=()),
    "no fault, but a method": _but(faults=(), journal={"run": [{}]}),
    "no targets": lambda before, _: before.model_copy(
        update={"faults": tuple(each.model_copy(update={"targets": ()}) for each in before.faults)}
    ),
    "nothing met it": _met_nothing,
    "a dry run": _but(dry=True),
    "an injection alone": _but(kind="inject"),
}


@given(valid_runs(), st.data())
def test_without_data_fault_or_baseline_there_is_never_a_score(before: Record, data: DataObject) -> None:
    scores = {name: judge(change(before, data)).score for name, change in NEVER_SCORED.items()}
    assert scores == dict.fromkeys(NEVER_SCORED)


def test_the_runs_that_are_drawn_mostly_have_a_score() -> None:
    scores: list[float | None] = []

    @given(valid_runs())
    def draw(run: Record) -> None:
        scores.append(judge(run).score)

    draw()
    found = [score for score in scores if score is not None]
    assert len(found) > len(scores) / 2
    assert len(set(found)) >= 10


@given(valid_runs(), st.data())
def test_the_order_of_samples_events_and_series_does_not_matter(before: Record, data: DataObject) -> None:
    many = [_kept(found, _reordered(len(found.offsets), data)) for found in before.series]
    order = [many[place] for place in data.draw(st.permutations(range(len(many))))]
    counts = before.events and _shuffled(before.events, data)
    after = judge(before.model_copy(update={"series": tuple(order), "events": counts}))
    plain = judge(before)
    assert after.model_copy(update={"reasons": ()}) == plain.model_copy(update={"reasons": ()})
    assert sorted(after.reasons) == sorted(plain.reasons)


def _reordered(length: int, data: DataObject) -> list[int]:
    """Return the rows in another order: turned, reversed, and some of them changed for one another."""
    first, reverse = data.draw(st.integers(0, length - 1)), data.draw(st.booleans())
    rows = [*range(first, length), *range(first)][:: -1 if reverse else 1]
    places = st.integers(0, length - 1)
    for one, other in data.draw(st.lists(st.tuples(places, places), max_size=8)):
        rows[one], rows[other] = rows[other], rows[one]
    return rows


def _shuffled(found: Events, data: DataObject) -> Events:
    rows = _reordered(len(found.offsets), data)
    columns = {name: tuple(getattr(found, name)[row] for row in rows) for name in ("offsets", "all", "bad")}
    return found.model_copy(update=columns)


@given(valid_runs())
def test_the_stored_bytes_give_the_same_judgement_a_year_later(plain: Record) -> None:
    stored = judged(plain).canonical()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: START + YEAR)
        again = Record.model_validate_json(stored)
        assert judge(again) == again.judgement == judge(plain)


@given(valid_runs(counted(st.floats(-20, 20))))
def test_a_score_is_between_0_and_100_whatever_the_counters_say(wild: Record) -> None:
    score = judge(wild).score
    assert score is None or 0 <= score <= 100


@given(valid_runs(), st.data())
def test_a_probe_counted_twice_counts_once(once: Record, data: DataObject) -> None:
    twice = once.model_copy(update={"series": (*once.series, _one_of(once, data))})
    assert judge(twice).score == judge(once).score


@given(valid_runs(), st.floats(0.01, 1000), st.data())
def test_a_weight_and_a_name_that_contains_another_change_no_score(
    plain: Record, weight: float, data: DataObject
) -> None:
    promise = plain.promise.model_copy(update={"weight": weight, "service": data.draw(st.sampled_from(["pay", "p"]))})
    names = data.draw(st.permutations(["a", "ab", "abc"]))
    many = tuple(each.model_copy(update={"probe": name}) for each, name in zip(plain.series, names, strict=False))
    renamed = plain.model_copy(update={"promise": promise, "series": many})
    assert judge(renamed).score == judge(plain).score
