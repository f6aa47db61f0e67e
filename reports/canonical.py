"""Canonical JSON: sorted keys, no spaces, every number as Python writes it. Addresses are made of these bytes."""

import json
from collections.abc import Sequence
from typing import Any

import orjson

__all__ = ["HOLE", "canonical", "column", "filled", "words"]

HOLE = "\0"
"""What stands where a column belongs until filled() puts it there."""

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_HOLE = _encoder.encode(HOLE).encode()
_OTHERWISE = b"e", b"0.0000", b'"'
"""In what orjson makes of numbers, what Python may write otherwise: exponents, and tiny numbers without one."""


def canonical(data: Any) -> bytes:
    """Return data as canonical JSON: the same data gives the same bytes."""
    return _encoder.encode(data).encode()


def column(values: Sequence[float | str | bool | None]) -> bytes:
    """Return a list of values, none of them NaN or infinite, as canonical() does; numbers a tenth of the time."""
    written = orjson.dumps(values)
    return canonical(values) if any(sign in written for sign in _OTHERWISE) else written


def words(values: Sequence[str]) -> bytes:
    """Return a list of words, of which none needs escaping, as canonical() does."""
    return '["{}"]'.format('","'.join(values)).encode() if values else b"[]"


def filled(data: Any, columns: Sequence[bytes]) -> bytes | None:
    """Return data as canonical JSON with its holes, in the order of the bytes, filled with columns.

    None where a text of the data looks like a hole, so that there are more of them than columns.
    """
    pieces = canonical(data).split(_HOLE)
    if len(pieces) != len(columns) + 1:
        return None
    return b"".join(part for pair in zip(pieces, (*columns, b""), strict=True) for part in pair)
