"""Canonical bytes: whichever way they are made, they are those that Python's json makes of the whole record."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reports.canonical import canonical, column, words
from reports.record import Events, Record, Series
from runner.model import Outcome
from tests.reports._records import events, random_record, record, series

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TINY = st.sampled_from([1e-5, -1e-5, 0.00012, 1e-7, 123456789012345680.0, 1e16, 1e22, -0.0, 0.1 + 0.2, 5e-324])
VALUES = st.lists(NUMBERS | TINY | st.booleans() | st.none() | st.text())


def slowly(found: Record) -> bytes:
    data = found.model_dump(mode="json", by_alias=True)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def with_columns(values: list[Any], numbers: list[float], **changes: Any) -> Record:
    outcomes = (list(Outcome) * len(values))[: len(values)]
    said: dict[str, Any] = {"values": tuple(values), "offsets": tuple(numbers[: len(values)])}
    counted: dict[str, Any] = {"all": tuple(numbers), "bad": tuple(numbers), "offsets": tuple(numbers)}
    many = series(), Series.model_validate(series(outcomes).model_dump() | said)
    return record(series=many, events=Events.model_validate(events().model_dump() | counted), **changes)


@given(VALUES)
def test_a_column_is_written_as_json_writes_it(values: list[Any]) -> None:
    assert column(values) == canonical(values) == json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def test_words_are_written_as_json_writes_them() -> None:
    for some in ([], [Outcome.GOOD], list(Outcome)):
        assert words(some) == json.dumps(some, separators=(",", ":")).encode()


@given(VALUES.filter(len), st.data())
def test_a_record_is_written_as_json_writes_it(values: list[Any], data: st.DataObject) -> None:
    values = [value for value in values if not isinstance(value, str) or value.isprintable()]
    numbers = data.draw(st.lists(NUMBERS | TINY, min_size=len(values), max_size=len(values)))
    made = with_columns(values, numbers)
    assert made.canonical() == slowly(made)


def test_texts_that_look_like_holes_end_up_where_they_were() -> None:
    for text in ("\0", "\\u0000", '"\\u0000"'):
        made = with_columns([text, 1.5], [1.0, 2.0], journal={"said": text, "\0": [text, "\0"]})
        assert made.canonical() == slowly(made)


def test_records_without_columns_are_written_alike() -> None:
    for made in (
        record(),
        record(series=(), events=None),
        record(series=(series(()),)),
        *map(random_record, range(20)),
    ):
        assert made.canonical() == slowly(made)
        assert Record.model_validate_json(made.canonical()).canonical() == made.canonical()
