"""What holds for the score of every record, tried on many that differ by their seed."""

import random
from collections.abc import Callable

import pytest

from reports.record import Events, Record, Series
from reports.verdict import judge
from runner.model import Outcome
from tests.reports._records import SECONDS, START, events, fault, random_record, seeded

SEEDS = range(100)
Change = Callable[[Record, random.Random], Record]


def _more_bad_events(before: Record, rng: random.Random) -> Record:
    counted = before.events or events()
    bad = list(counted.bad)
    for _ in range(rng.randint(1, 20)):
        bad[rng.randrange(len(bad))] += rng.randint(1, 50)
    return before.model_copy(update={"events": counted.model_copy(update={"bad": tuple(bad)})})


def _more_bad_events_of_more(before: Record, rng: random.Random) -> Record:
    counted = before.events or events()
    at, more = rng.randrange(len(counted.bad)), rng.randint(1, 200)
    return before.model_copy(update={"events": _added(counted, at, more)})


def _added(counted: Events, at: int, more: int) -> Events:
    every = tuple(value + more * (index == at) for index, value in enumerate(counted.all))
    bad = tuple(value + more * (index == at) for index, value in enumerate(counted.bad))
    return counted.model_copy(update={"all": every, "bad": bad})


def _outcome_at_random(outcome: Outcome) -> Change:
    def change(before: Record, rng: random.Random) -> Record:
        which = rng.randrange(len(before.series))
        outcomes = list(before.series[which].outcomes)
        for _ in range(rng.randint(1, 8)):
            outcomes[rng.randrange(61, SECONDS)] = outcome
        return _with(before, which, before.series[which].model_copy(update={"outcomes": tuple(outcomes)}))

    return change


def _fewer_samples(before: Record, rng: random.Random) -> Record:
    which = rng.randrange(len(before.series))
    found = before.series[which]
    lost = {rng.randrange(61, SECONDS) for _ in range(rng.randint(1, 8))}
    kept = [index for index in range(len(found.offsets)) if index not in lost]
    columns = {name: tuple(getattr(found, name)[index] for index in kept) for name in ("offsets", "values", "outcomes")}
    return _with(before, which, found.model_copy(update=columns))


def _longer_recovery(before: Record, rng: random.Random) -> Record:
    which, until = rng.randrange(len(before.series)), rng.randint(122, 170)
    found = before.series[which]
    outcomes = [Outcome.BAD if 121 <= second < until else was for second, was in enumerate(found.outcomes)]
    return _with(before, which, found.model_copy(update={"outcomes": tuple(outcomes)}))


def _one_more_series(before: Record, rng: random.Random) -> Record:
    extra = random_record(rng.randrange(10_000)).series[0].model_copy(update={"probe": "one-more"})
    return before.model_copy(update={"series": (*before.series, extra)})


def _with(before: Record, which: int, changed: Series) -> Record:
    many = list(before.series)
    many[which] = changed
    return before.model_copy(update={"series": tuple(many)})


NEVER_RAISE: dict[str, Change] = {
    "more bad events": _more_bad_events,
    "more bad events of more": _more_bad_events_of_more,
    "more bad samples": _outcome_at_random(Outcome.BAD),
    "samples without data": _outcome_at_random(Outcome.NO_SERIES),
    "repeated samples": _outcome_at_random(Outcome.REPEATED),
    "lost samples": _fewer_samples,
    "longer recovery": _longer_recovery,
    "one more series": _one_more_series,
}


@pytest.mark.parametrize("change", NEVER_RAISE.values(), ids=NEVER_RAISE.keys())
def test_no_worse_run_ever_has_a_higher_score(change: Change) -> None:
    lower = compared = 0
    for seed in SEEDS:
        before = random_record(seed)
        if change in (_more_bad_events, _more_bad_events_of_more) and before.events is None:
            before = before.model_copy(update={"events": events()})
        old, new = judge(before).score, judge(change(before, seeded(seed))).score
        if old is not None and new is not None:
            compared += 1
            lower += new < old
            assert new <= old, f"seed {seed}: {old} became {new}"
    assert compared >= 20
    assert lower >= 5


def _no_series(before: Record) -> Record:
    return before.model_copy(update={"series": ()})


def _no_samples(before: Record) -> Record:
    empty = tuple(found.model_copy(update={"offsets": (), "values": (), "outcomes": ()}) for found in before.series)
    return before.model_copy(update={"series": empty})


def _nothing_known(before: Record) -> Record:
    silent = (Outcome.NO_SERIES,) * SECONDS
    return before.model_copy(
        update={"series": tuple(found.model_copy(update={"outcomes": silent}) for found in before.series)}
    )


def _no_baseline(before: Record) -> Record:
    first = before.series[0]
    kept = {name: getattr(first, name)[60:] for name in ("offsets", "values", "outcomes")}
    late = first.model_copy(update=kept | {"start": START})
    return _with(before, 0, late)


NEVER_SCORED: dict[str, Callable[[Record], Record]] = {
    "no series": _no_series,
    "no samples": _no_samples,
    "nothing known": _nothing_known,
    "no baseline": _no_baseline,
    "no fault": lambda before: before.model_copy(update={"faults": ()}),
    "no fault, but a method": lambda before: before.model_copy(update={"faults": (), "journal": {"run": [{}]}}),
    "no targets": lambda before: before.model_copy(update={"faults": (fault().model_copy(update={"targets": ()}),)}),
    "a dry run": lambda before: before.model_copy(update={"dry": True}),
    "an injection alone": lambda before: before.model_copy(update={"kind": "inject"}),
}


@pytest.mark.parametrize("change", NEVER_SCORED.values(), ids=NEVER_SCORED.keys())
def test_without_data_fault_or_baseline_there_is_never_a_score(change: Callable[[Record], Record]) -> None:
    assert sum(judge(random_record(seed)).score is not None for seed in SEEDS) >= 30
    assert all(judge(change(random_record(seed))).score is None for seed in SEEDS)


def test_the_order_of_samples_events_and_series_does_not_matter() -> None:
    for seed in SEEDS:
        before, rng = random_record(seed), seeded(seed)
        many = [_shuffled_series(found, rng) for found in before.series]
        rng.shuffle(many)
        counted = before.events and _shuffled_events(before.events, rng)
        after = judge(before.model_copy(update={"series": tuple(many), "events": counted}))
        plain = judge(before)
        assert after.model_copy(update={"reasons": ()}) == plain.model_copy(update={"reasons": ()})
        assert sorted(after.reasons) == sorted(plain.reasons)


def _shuffled_series(found: Series, rng: random.Random) -> Series:
    rows = list(zip(found.offsets, found.values, found.outcomes, strict=True))
    rng.shuffle(rows)
    offsets, values, outcomes = zip(*rows, strict=True)
    return found.model_copy(update={"offsets": offsets, "values": values, "outcomes": outcomes})


def _shuffled_events(counted: Events, rng: random.Random) -> Events:
    rows = list(zip(counted.offsets, counted.all, counted.bad, strict=True))
    rng.shuffle(rows)
    offsets, every, bad = zip(*rows, strict=True)
    return counted.model_copy(update={"offsets": offsets, "all": every, "bad": bad})


def test_rescoring_the_stored_bytes_gives_the_same_judgement() -> None:
    for seed in SEEDS:
        plain = random_record(seed)
        assert judge(Record.model_validate_json(plain.canonical())) == judge(plain)


def test_a_score_is_between_0_and_100_whatever_the_counters_say() -> None:
    rng, scored = seeded(7), 0
    for seed in SEEDS:
        wild = events(each=rng.choice([0.0, 3.0, 100.0]))
        bad = tuple(rng.uniform(-200, 300) for _ in wild.bad)
        judgement = judge(random_record(seed).model_copy(update={"events": wild.model_copy(update={"bad": bad})}))
        if judgement.score is not None:
            scored += 1
            assert 0 <= judgement.score <= 100
    assert scored >= 20


def test_a_probe_counted_twice_counts_once() -> None:
    for seed in SEEDS:
        once = random_record(seed)
        twice = once.model_copy(update={"series": (*once.series, once.series[0])})
        assert judge(twice).score == judge(once).score
