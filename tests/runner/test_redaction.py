"""Secrets are kept out of what is stored."""

import json
import math
from typing import Any

import pytest

from runner.model import Sight
from runner.redaction import Redactor

SECRETS = {"db": {"password": "hunter2", "url": "postgres://u:hunter2@db"}, "token": "t0ken"}


def texts(value: Any) -> str:
    return json.dumps(value)


def test_secrets_are_hidden_wherever_they_are() -> None:
    cleaned = Redactor(SECRETS).clean(
        {"a": "hunter2", "b": ["x hunter2 y", ("t0ken",)], "t0ken": {"deep": {"er": "t0kent0ken"}}, "set": {"t0ken"}}
    )
    assert "hunter2" not in texts(cleaned)
    assert "t0ken" not in texts(cleaned)
    assert cleaned["b"] == ["x *** y", ["***"]]


def test_longer_secret_goes_first() -> None:
    """Were the shorter one hidden first, the rest of the longer one would show."""
    assert Redactor(SECRETS).clean("postgres://u:hunter2@db") == "***"
    assert Redactor({"a": "abc", "b": "abcdef"}).clean("abcdef abc") == "*** ***"


def test_everything_else_stays_as_it_is() -> None:
    value = {"n": 1, "f": 1.5, "t": True, "none": None, "l": [1, "two"], "": ""}
    assert Redactor(SECRETS).clean(value) == value
    assert Redactor(None).clean(value) == value
    assert Redactor({}).clean("hunter2") == "hunter2"


@pytest.mark.parametrize("secrets", [{"a": ""}, {"a": "ab"}, {"a": None}, {"a": 5}, {"a": {"b": {}}}])
def test_what_is_no_secret_hides_nothing(secrets: Any) -> None:
    """An empty one would put stars between all letters, one of two letters would hide half the journal."""
    assert Redactor(secrets).clean("abab 5 None") == "abab 5 None"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_has_no_word_for_become_text(number: float) -> None:
    cleaned = Redactor({}).clean({"x": [number]})
    assert json.loads(json.dumps(cleaned, allow_nan=False)) == {"x": [str(number)]}


def test_objects_become_text_without_secrets() -> None:
    class Thing:
        def __str__(self) -> str:
            return "a thing with hunter2"

    assert Redactor(SECRETS).clean({"x": Thing()}) == {"x": "a thing with ***"}


def test_records_keep_their_own_words_even_where_a_secret_is_one_of_them() -> None:
    """A password `present` would make the record unreadable, and the run would leave none."""
    record = {
        "run": "20260101-present",
        "timeline": [{"at": 1.0, "what": "armed", "detail": "present is hidden"}],
        "faults": [
            {"name": "x", "parameters": {"target": "present"}, "targets": [{"looks": [{"sight": Sight.PRESENT}]}]}
        ],
        "problem": {"kind": "present", "message": "the password is present"},
        "journal": {"run": [{"output": "present"}]},
        "experiment": {"title": "present", "hash": "present"},
        "series": [{"values": ["present", 1.0, None], "offsets": [1.0]}],
    }
    cleaned = Redactor({"a": {"b": "present"}}).clean_record(record)
    assert cleaned == {
        "run": "20260101-present",
        "timeline": [{"at": 1.0, "what": "armed", "detail": "*** is hidden"}],
        "faults": [{"name": "x", "parameters": {"target": "***"}, "targets": [{"looks": [{"sight": Sight.PRESENT}]}]}],
        "problem": {"kind": "present", "message": "the password is ***"},
        "journal": {"run": [{"output": "***"}]},
        "experiment": {"title": "***", "hash": "present"},
        "series": [{"values": ["***", 1.0, None], "offsets": [1.0]}],
    }
