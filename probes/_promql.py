"""What a PromQL query reads: its selectors, how far back each looks, and whether the value needs it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

import promql_parser as promql

from runner.errors import UsageError

__all__ = ["Need", "NotUnderstood", "Query", "Row", "Selector", "counter_selector", "promql_duration", "read"]

_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EVALUATION_INTERVAL = 60.0  # what Prometheus steps a subquery by that names no step, unless configured otherwise


class NotUnderstood(UsageError):
    """The parser could not read the query; the server's own message is the better one."""


@dataclass(frozen=True)
class Row:
    """One series of an answer, its points in order of time; a scalar is a row without labels."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class Need(StrEnum):
    """What it means for the value when a selector finds no series."""

    REQUIRED = "required"  # the value is from before: its series are gone
    OPTIONAL = "optional"  # beside `or`, or behind `unless`: the value may stand without it
    ABSENCE = "absence"  # inside `absent`: finding none is what the query is about


@dataclass(frozen=True)
class Selector:
    """One vector selector of a query; `offset` and `range` include those of every subquery around it, seconds."""

    name: str
    text: str
    need: Need
    offset: float = 0.0
    range: float = 0.0

    @property
    def reach(self) -> float:
        """How far before its own time a value depends on what the selector finds, in seconds."""
        return self.range + abs(self.offset)

    @property
    def shifted(self) -> str:
        """The selector with the offset at which the query reads it."""
        if not self.offset:
            return self.text
        sign = "-" if self.offset < 0 else ""
        return f"{self.text} offset {sign}{promql_duration(abs(self.offset))}"


@dataclass(frozen=True)
class Query:
    """A query and the selectors whose answers change with time; those fixed by `@` are left out."""

    text: str
    selectors: tuple[Selector, ...]

    @property
    def lead(self) -> float:
        """How far after its own time a value reads, by negative offsets, in seconds."""
        return max(0.0, *(-selector.offset for selector in self.selectors))


@dataclass(frozen=True)
class _Place:
    """What surrounds a node of the syntax tree."""

    query: str
    need: Need = Need.REQUIRED
    offset: float = 0.0
    range: float = 0.0
    pinned: bool = False

    def inside(self, node: promql.VectorSelector | promql.SubqueryExpr) -> "_Place":
        """Return the place after the node's own `offset` and `@`."""
        if node.at and node.at.at is None:
            raise UsageError(
                f"`{self.query}` reads `@ start()` or `@ end()`: each value would change with the window asked for.",
                "Leave the modifier out; every sample is then read at its own time.",
            )
        offset = self.offset + _seconds(node.offset)
        return replace(self, offset=offset, pinned=self.pinned or node.at is not None)


def read(text: str) -> Query:
    """Return what a query reads.

    Raises NotUnderstood where the parser cannot read it, UsageError where it is a range instead of one value per
    moment, depends on the window asked for, or reads no series that can change.
    """
    tree = _parse(text)
    if isinstance(_bare(tree), promql.MatrixSelector | promql.SubqueryExpr):
        raise UsageError(
            f"`{text}` is a range of samples; one number per moment is needed.",
            "Put a function around it, such as rate(...) or max_over_time(...).",
        )
    selectors = tuple(dict.fromkeys(_selectors(tree, _Place(text))))
    if not selectors:
        raise UsageError(
            f"`{text}` reads no series that can change: as a steady state it would hold whatever breaks.",
            "Ask for a metric of the service.",
        )
    return Query(text, selectors)


def counter_selector(text: str) -> Selector:
    """Return a query that is one plain selector; raises UsageError for any other expression."""
    tree = _parse(text)
    if not isinstance(tree, promql.VectorSelector) or tree.offset or tree.at:
        raise UsageError(
            f"`{text}` is no plain selector: events are counted from the raw samples of counters.",
            'Name the counter itself, such as http_requests_total{job="shop",code=~"5.."}.',
        )
    return next(_selectors(tree, _Place(text)))


def promql_duration(seconds: float) -> str:
    """Return a duration as PromQL writes it, in whole milliseconds."""
    return f"{round(seconds * 1000)}ms"


def _parse(text: str) -> promql.Expr:
    try:
        return promql.parse(text)
    except ValueError as error:
        raise NotUnderstood(
            f"`{text}` cannot be read as PromQL: {error}.",
            'Write label values in double quotes with escapes ("a\\\\.b"); check brackets and names.',
        ) from error


def _selectors(node: promql.Expr, place: _Place) -> Iterator[Selector]:
    if isinstance(node, promql.VectorSelector):
        here = place.inside(node)
        if not here.pinned:
            yield Selector(node.name or "", _text(node, place.query), here.need, here.offset, here.range)
        return
    for child, around in _children(node, place):
        yield from _selectors(child, around)


def _children(node: promql.Expr, place: _Place) -> Iterator[tuple[promql.Expr, _Place]]:
    match node:
        case promql.MatrixSelector():
            yield node.vector_selector, replace(place, range=place.range + _seconds(node.range))
        case promql.SubqueryExpr():
            step = _seconds(node.step) or _EVALUATION_INTERVAL
            yield node.expr, replace(place.inside(node), range=place.range + _seconds(node.range) + step)
        case promql.BinaryExpr():
            left, right = _needs(str(node.op), place)
            yield node.lhs, left
            yield node.rhs, right
        case promql.Call():
            absence = node.func.name in ("absent", "absent_over_time")
            yield from ((each, replace(place, need=Need.ABSENCE) if absence else place) for each in node.args)
        case promql.AggregateExpr():
            yield from ((each, place) for each in (node.expr, node.param) if isinstance(each, promql.Expr))
        case promql.ParenExpr() | promql.UnaryExpr():
            yield node.expr, place


def _needs(operator: str, place: _Place) -> tuple[_Place, _Place]:
    optional = replace(place, need=Need.OPTIONAL) if place.need is Need.REQUIRED else place
    return (optional if operator == "or" else place), (optional if operator in ("or", "unless") else place)


def _text(node: promql.VectorSelector, query: str) -> str:
    """Write a selector anew: the parser's own text loses escapes and milliseconds."""
    if node.matchers.or_matchers:
        raise NotUnderstood(f"`{query}` joins label matchers with `or`.", "Join two selectors with `or` instead.")
    matchers = ",".join(
        f"{_label(matcher.name)}{_operator(matcher.op)}{json.dumps(matcher.value, ensure_ascii=False)}"
        for matcher in node.matchers.matchers
    )
    return f"{node.name or ''}{{{matchers}}}" if matchers else str(node.name)


def _label(name: str) -> str:
    return name if _LABEL.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _operator(kind: promql.MatchOp) -> str:
    return _OPERATORS[str(kind).rpartition(".")[2]]


def _bare(node: promql.Expr) -> promql.Expr:
    return _bare(node.expr) if isinstance(node, promql.ParenExpr) else node


def _seconds(duration: timedelta | None) -> float:
    return duration.total_seconds() if duration else 0.0
