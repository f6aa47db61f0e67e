"""What is taken without being judged: nothing that judging could stumble over."""

import json
import math
import random
from typing import Any

import pytest

from reports.api.intake import held, ordinary, packed
from reports.api.problems import Problem
from reports.packing import pack_held, unpack
from reports.record import Record
from reports.verdict import judge
from tests.reports._records import bad_at, events, fault, random_record, record, seeded, series, target

EDGES = 1e-6, 1e12, -1e12, 0.0, 1e11, 0.001


def distorted(seed: int) -> dict[str, Any]:
    """Return a record's data with some of its numbers at the edges of what is ordinary."""
    rng = seeded(seed)
    said = random_record(seed).model_dump(mode="json", by_alias=True)
    return said | {name: _distorted(said[name], rng) for name in ("faults", "series", "events", "promise")}


def _distorted(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        return {name: _distorted(each, rng) for name, each in value.items()}
    if isinstance(value, list):
        return [_distorted(each, rng) for each in value]
    if isinstance(value, float) and rng.random() < 0.01:
        return rng.choice(EDGES)
    return value


def taken_as_it_is(made: Record) -> bool:
    try:
        held(made.canonical(), "")
    except Problem:
        return False
    return True


def test_what_is_ordinary_can_be_judged() -> None:
    taken = 0
    for seed in range(200):
        try:
            found = Record.model_validate(distorted(seed))
        except ValueError:
            continue
        if ordinary(found) and taken_as_it_is(found):
            taken += 1
            assert 0 <= (judge(found).score or 0.0) <= 100
    assert taken > 20


@pytest.mark.parametrize(
    "made",
    [
        record(events=events(each=1e300)),
        record(faults=(fault(target(healed=-1e15)),)),
        record(promise=record().promise.model_copy(update={"objective": 1e-300})),
        record(
            promise=record().promise.model_copy(update={"objective": 1e300}), series=(series(bad_at(*range(62, 180))),)
        ),
    ],
)
def test_what_is_not_is_judged_before_it_is_taken(made: Record) -> None:
    assert not ordinary(made)
    try:
        judge(made)
    except (ArithmeticError, LookupError, ValueError):
        with pytest.raises(Problem, match="its figures cannot be judged"):
            held(made.canonical(), "")
    else:
        assert held(made.canonical(), "").run == "run-1"


def test_records_as_they_are_need_no_second_look() -> None:
    assert all(ordinary(random_record(seed)) for seed in range(50))
    assert ordinary(record(events=events({70: 3}), series=(series(bad_at(61)),)))
    assert math.isclose(math.hypot(*range(180)), 1383, rel_tol=0.01), "a column's length is of the size of its entries"


def test_names_that_no_index_takes_and_samples_far_off_are_refused_by_their_field() -> None:
    for made, field in (
        (record(faults=(fault(name="x" * 201),)), "/faults"),
        (record(promise=record().promise.model_copy(update={"service": "x" * 201})), "/promise/service"),
        (record(series=(series(), series(offsets=(*range(179), 1e9)))), "/series/1/offsets"),
        (record(series=(series(offsets=(-1e9, *range(179))),)), "/series/0/offsets"),
    ):
        with pytest.raises(Problem) as refused:
            held(made.canonical(), "")
        assert [error.field for error in refused.value.body.errors] == [field]


def test_a_text_that_no_column_takes_is_refused_as_when_it_comes_alone() -> None:
    nul = record(experiment=record().experiment.model_copy(update={"title": "a\0b"}))
    with pytest.raises(Problem, match="may not hold the character NUL"):
        held(nul.canonical(), "")


def test_columns_are_taken_as_they_are_written_and_rounded_when_they_are_judged() -> None:
    fine = record().canonical().replace(b'"offsets":[0.0,1.0,', b'"offsets":[0.0004,1.0006,', 1)
    taken = held(fine, "blue")
    kept = pack_held(taken.run, taken.address, taken.body, "blue")
    assert kept == packed(fine, "blue")
    assert unpack(kept.run, kept.address, kept.body).series[0].offsets[:2] == (0.0, 1.001)


@pytest.mark.parametrize("column", ["offsets", "outcomes", "values"])
def test_of_a_column_that_is_all_wrong_the_first_is_told(column: str) -> None:
    said = record().model_dump(mode="json", by_alias=True)
    said["series"][0][column] = [{}] * 1000
    with pytest.raises(Problem) as refused:
        held(json.dumps(said).encode(), "")
    at = [error.field for error in refused.value.body.errors]
    assert at
    assert all(field.startswith(f"/series/0/{column}/0") for field in at)
