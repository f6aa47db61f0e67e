"""Parameters declared once."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from runner.errors import UsageError
from runner.parameters import Duration, build, parameters


@dataclass(frozen=True)
class Declared:
    target: Annotated[str, "what it takes away"]
    latency: Annotated[Duration, "how long"] = 2.5
    mode: Annotated[Literal["one", "other"], "which"] = "one"
    where: Annotated[str, "from whom"] = ""
    count: Annotated[int, "how many"] = 1
    share: Annotated[float, "how much"] = 0.5
    deep: Annotated[bool, "whether"] = False


def test_declaration_is_told_as_it_stands() -> None:
    known = {parameter.name: parameter for parameter in parameters(Declared)}
    assert list(known) == ["target", "latency", "mode", "where", "count", "share", "deep"]
    assert known["target"].required
    assert not known["mode"].required
    assert known["mode"].choices == ("one", "other")
    assert known["mode"].help == "which"
    assert known["latency"].kind is str
    assert known["count"].kind is int


def test_where_is_on_the_command_line() -> None:
    """YAML would read `on:` as true."""
    assert {p.name: p.option for p in parameters(Declared)}["where"] == "--on"


def test_arguments_are_read_by_their_types() -> None:
    built = build(Declared, {"target": "x", "latency": "1m", "count": 3, "share": 1, "deep": True})
    assert built == Declared("x", 60.0, "one", "", 3, 1.0, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "--target is missing: what it takes away."),
        ({"target": 5}, "--target: 5 is not text."),
        ({"target": "x", "latency": 90}, "--latency: 90 is not a duration."),
        ({"target": "x", "mode": "third"}, "--mode: 'third' is none of one, other."),
        ({"target": "x", "mode": True}, "--mode: True is not text."),
        ({"target": "x", "count": 1.5}, "--count: 1.5 is not a whole number."),
        ({"target": "x", "count": True}, "--count: True is not a whole number."),
        ({"target": "x", "share": "half"}, "--share: 'half' is not a number."),
        ({"target": "x", "share": True}, "--share: True is not a number."),
        ({"target": "x", "deep": "yes"}, "--deep: 'yes' is not true or false."),
        ({"target": "x", "targt": "y"}, "There is no parameter 'targt' here."),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        build(Declared, arguments)
    assert refused.value.message == told
