"""Saved records whose scores were worked out by hand, in docs/scores.md: they stay what they are."""

from pathlib import Path
from typing import Any

import pytest

from reports.record import Record
from reports.verdict import judge

_GOLDEN = Path(__file__).parent / "golden"
_DOCS = Path(__file__).parents[2] / "docs" / "scores.md"

BY_HAND = {
    "half-absorbed-and-late": ("fail", 53.4, 0.05, 0.5, 0.585, 40.0),
    "recovered-in-time": ("pass", 88.0, 0.02, 0.8, 1.0, 19.0),
    "time-stands-in": ("fail", 70.5, 15 / 61, 1 - 15 / 61 / 0.5, 1.0, 0.0),
    "an-invariant-broke": ("fail", 0.0, 0.0, 1.0, 1.0, 0.0),
    "nothing-met-it": ("inconclusive", None, None, None, None, None),
}


def test_every_golden_record_is_worked_out() -> None:
    assert sorted(path.stem for path in _GOLDEN.glob("*.json")) == sorted(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_golden_record_comes_to_what_was_worked_out_by_hand(name: str) -> None:
    content = (_GOLDEN / f"{name}.json").read_bytes().rstrip(b"\n")
    record = Record.model_validate_json(content)
    assert record.canonical() == content, "the bytes are those a store would hold"
    found = judge(record)
    verdict, *figures = BY_HAND[name]
    assert found.verdict == verdict
    told: list[Any] = [found.score, found.bad_share, found.absorbed, found.recovered, found.recovery_time]
    assert told == [None if figure is None else pytest.approx(figure, abs=0.0005) for figure in figures]
    assert found.score == figures[0], "scores have one digit, and it is this one"
    assert f"| {name} |" in _DOCS.read_text(), "the working stands in the docs"
