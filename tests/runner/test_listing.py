"""Collections that come in pages."""

import json
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import TypedDict

from runner.listing import Listing, listed

_TOKENS = ["", 'eyJ2Ijoi"\\u0000', "second"]


class _Named(TypedDict):
    name: str


def _page(number: int, names: list[str], tokens: list[str] | None = None) -> str:
    following = (tokens or _TOKENS)[number + 1 :]
    metadata = {"resourceVersion": str(number), **({"continue": following[0]} if following else {})}
    items = [{"name": name, "more": '"continue":"never"'} for name in names]
    return json.dumps({"kind": "List", "metadata": metadata, "items": items}, separators=(",", ":"))


def test_pages_are_read_in_their_order_and_the_version_is_that_of_the_last() -> None:
    pages = {token: _page(number, [f"{number}-a", f"{number}-b"]) for number, token in enumerate(_TOKENS)}
    found = listed(pages.__getitem__, lambda item: item["name"], _Named)
    assert found == Listing(["0-a", "0-b", "1-a", "1-b", "2-a", "2-b"], "2")


def test_a_page_is_read_while_the_next_is_made() -> None:
    first_was_read = threading.Event()

    def ask(more: str) -> str:
        if more:
            assert first_was_read.wait(10), "only read once the next one had come"
        return _page(bool(more), ["item"], ["", "next"])

    listed(ask, lambda _: first_was_read.set())
    assert first_was_read.is_set()


def test_only_the_fields_of_the_shape_are_read() -> None:
    assert listed(lambda _: _page(2, ["a"]), shape=_Named).items == [{"name": "a"}]
    assert "more" in listed(lambda _: _page(2, ["a"])).items[0]


@given(st.text(min_size=1))
def test_whatever_continues_a_page_is_asked_for_as_it_was_given(token: str) -> None:
    asked: list[str] = []

    def ask(more: str) -> str:
        asked.append(more)
        return _page(bool(more), [], ["", token])

    listed(ask)
    assert asked == ["", token]


@pytest.mark.parametrize("answer", ["", "{}", '{"metadata": {"resourceVersion": "1"}}', '{"items": []}', "<html>"])
def test_what_is_no_list_is_an_error(answer: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        listed(lambda _: answer)


def test_an_error_while_a_page_is_read_is_the_listings() -> None:
    def trim(_: object) -> None:
        raise LookupError("spec")

    with pytest.raises(LookupError, match="spec"):
        listed(lambda more: _page(bool(more), ["a"], ["", "next"]), trim)
