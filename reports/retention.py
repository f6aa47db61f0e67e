"""How long what is kept: samples 30 days, their roll-up a year, verdicts two; what is pinned, for ever.

A record is never altered. Its body goes as a whole, and a roll-up, the same JSON with each series summed up, takes its
place; address, verdict, score and the rows that cells are computed from stay until they are old themselves.
"""

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from reports.connect import reaching, writing
from reports.packing import unpack_bytes
from reports.pending import settle_all
from reports.store import Store
from reports.tables import answers, bodies, cells, deliveries, pending, records, results, rollups, runs
from runner.model import clock

__all__ = ["ROLLUP", "Ages", "Pruned", "prune", "rolled_up"]

ROLLUP = 1
_DAY = 86400.0
_BATCH = 200
_STRETCHES = 20


@dataclass(frozen=True)
class Ages:
    """How old, in seconds, each may get."""

    samples: float = 30 * _DAY
    rollups: float = 365 * _DAY
    verdicts: float = 730 * _DAY


@dataclass(frozen=True)
class Pruned:
    """How many runs lost what, or would have, the bytes that frees, and how many pinned ones were old enough."""

    samples: int
    rollups: int
    verdicts: int
    freed: int
    pinned: int


def prune(store: Store, ages: Ages, *, dry: bool = False) -> Pruned:
    """Remove what is too old, in small transactions so that nobody waits; `dry` only counts.

    What waits to be judged is judged first. A killed prune has removed less, and nothing halfway: body and roll-up of a
    record change in one transaction.
    """
    now = clock()
    old = now - ages.samples, now - ages.rollups, now - ages.verdicts
    settle_all(store)
    with reaching(store.place):
        with store.engine.connect() as connection:
            found = _counted(connection, *old)
        if not dry:
            _all(store, lambda connection: _roll_up(connection, old[0], old[1], now))
            _all(store, lambda connection: _drop_rollups(connection, old[1]))
            _all(store, lambda connection: _drop_runs(connection, old[2]))
            with writing(store.engine) as connection:
                connection.execute(delete(answers).where(answers.c.made < now - _DAY))
    return found


def rolled_up(content: bytes) -> dict[str, Any]:
    """Return a record's JSON with each series and the events summed up, and without its journal.

    A series becomes at most 20 stretches of equal length: how many samples of each outcome, and the least, mean and
    largest number.
    """
    record: dict[str, Any] = json.loads(content)
    series = [_summed(each) for each in record["series"]]
    events = record["events"] and {
        name: sum(record["events"][name]) if name in ("all", "bad") else record["events"][name]
        for name in ("all", "bad", "all_query", "bad_query", "start")
    }
    return record | {"rollup": ROLLUP, "series": series, "events": events, "journal": {}}


def _summed(series: Mapping[str, Any]) -> dict[str, Any]:
    rows = list(zip(series["offsets"], series["values"], series["outcomes"], strict=True))
    begin = min((offset for offset, _, _ in rows), default=0.0)
    end = max((offset for offset, _, _ in rows), default=0.0)
    step = max(series["interval"], (end - begin) / (_STRETCHES - 0.001))
    buckets: dict[int, list[tuple[Any, str]]] = {}
    for offset, value, outcome in rows:
        buckets.setdefault(int((offset - begin) / step), []).append((value, outcome))
    kept = {name: value for name, value in series.items() if name not in ("offsets", "values", "outcomes")}
    stretches = [_stretch(round(begin + number * step, 3), found) for number, found in sorted(buckets.items())]
    return kept | {"step": round(step, 3), "stretches": stretches}


def _stretch(offset: float, found: Sequence[tuple[Any, str]]) -> dict[str, Any]:
    figures = [float(value) for value, _ in found if isinstance(value, int | float) and not isinstance(value, bool)]
    told: dict[str, Any] = {"offset": offset, "outcomes": dict(sorted(Counter(name for _, name in found).items()))}
    if figures:
        told |= {"min": min(figures), "mean": sum(figures) / len(figures), "max": max(figures)}
    return told


def _all(store: Store, step: Any) -> None:
    more = True
    while more:
        with writing(store.engine) as connection:
            more = step(connection)


def _aged(query: Any, before: float) -> Any:
    return query.where(runs.c.started < before, runs.c.pinned.is_(None))


def _counted(connection: Connection, samples: float, rolled: float, verdicts: float) -> Pruned:
    sized = select(func.count(), func.sum(func.length(bodies.c.body))).select_from(_joined(bodies))
    count, freed = tuple(connection.execute(_aged(sized, samples)).one())
    old = connection.scalar(_aged(select(func.count()).select_from(_joined(rollups)), rolled))
    gone = connection.scalar(_aged(select(func.count()).select_from(runs), verdicts))
    pinned = select(func.count()).where(runs.c.started < samples, runs.c.pinned.is_not(None))
    return Pruned(count, old or 0, gone or 0, int(freed or 0), connection.scalar(pinned) or 0)


def _joined(table: Any) -> Any:
    return table.join(records, records.c.address == table.c.address).join(runs, runs.c.run == records.c.run)


def _roll_up(connection: Connection, before: float, rolled: float, now: float) -> bool:
    query = select(records.c.run, records.c.address, runs.c.started, bodies.c.body).select_from(_joined(bodies))
    found = connection.execute(_aged(query, before).limit(_BATCH)).all()
    rows = [
        {"address": row.address, "made": now, "body": _packed(rolled_up(unpack_bytes(row.run, row.address, row.body)))}
        for row in found
        if row.started >= rolled
    ]
    if rows:
        connection.execute(insert(rollups), rows)
    connection.execute(delete(bodies).where(bodies.c.address.in_([row.address for row in found])))
    return len(found) == _BATCH


def _packed(rollup: Mapping[str, Any]) -> bytes:
    return zlib.compress(json.dumps(rollup, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(), 9)


def _drop_rollups(connection: Connection, before: float) -> bool:
    query = _aged(select(rollups.c.address).select_from(_joined(rollups)), before).limit(_BATCH)
    found = list(connection.scalars(query))
    connection.execute(delete(rollups).where(rollups.c.address.in_(found)))
    return len(found) == _BATCH


def _drop_runs(connection: Connection, before: float) -> bool:
    found = list(connection.scalars(_aged(select(runs.c.run), before).limit(_BATCH)))
    addresses = select(records.c.address).where(records.c.run.in_(found))
    for table in (bodies, rollups):
        connection.execute(delete(table).where(table.c.address.in_(addresses)))
    for table in (deliveries, results, records, pending, runs):
        connection.execute(delete(table).where(table.c.run.in_(found)))
    if found:
        connection.execute(update(cells).values(changed=cells.c.changed + 1))
    return len(found) == _BATCH
