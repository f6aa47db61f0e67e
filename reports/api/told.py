"""What was told of services, as it was written, for as long as their cells stand so: a page has a thousand of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import orjson

from reports.portable import service_data
from reports.queries import CellKey
from reports.recent import Recent
from reports.services import Declared, Service, services
from reports.standings import Standings

__all__ = ["Told"]

_KEPT = 5_000
"""At some 7 KB each; the least asked for are forgotten."""

Place = tuple[str, str]
"""A service by name and environment."""
Versions = tuple[tuple[str, str, int], ...]


class _Written(NamedTuple):
    versions: Versions
    until: float
    text: orjson.Fragment


class Told:
    """Services as JSON, each written once until a cell of it is another; `declared` are the services by environment."""

    def __init__(self, standings: Standings, declared: Mapping[str, Mapping[str, Declared]]) -> None:
        self._standings = standings
        self._declared = declared
        self._known: Recent[tuple[Place, str | None], _Written] = Recent(_KEPT)

    def services(
        self, ran: Iterable[CellKey], wanted: Sequence[Place], project: str | None, now: float
    ) -> list[orjson.Fragment]:
        """Return services in the order they are wanted, by runs of one project or of all; `ran` are their cells now.

        What is required of a service counts for each project that ran it: a fault its runs never met is never run.
        """
        cells: dict[Place, list[CellKey]] = defaultdict(list)
        for each in ran:
            cells[each.service, each.environment].append(each)
        versions = {place: tuple((each.fault, each.project, each.changed) for each in cells[place]) for place in wanted}
        known = self._known.found((place, project) for place in wanted)
        found = {
            place: each for (place, _), each in known.items() if each.versions == versions[place] and now < each.until
        }
        missing = {place: versions[place] for place in wanted if place not in found}
        fresh = self._written(missing, [each for place in missing for each in cells[place]], project, now)
        good = found | fresh
        self._known.keep({(place, project): each for place, each in good.items()})
        return [good[place].text for place in wanted]

    def _written(
        self, missing: Mapping[Place, Versions], ran: Iterable[CellKey], project: str | None, now: float
    ) -> dict[Place, _Written]:
        standing = self._standings.standing(ran, project, now)
        cells = {key: each.cell for key, each in standing.items()}
        until: dict[Place, float] = defaultdict(lambda: float("inf"))
        for key, each in standing.items():
            until[key.service, key.environment] = min(until[key.service, key.environment], each.until)
        scored: dict[Place, Service] = {}
        for environment in {environment for _, environment in missing}:
            declared = self._declared.get(environment, {}).items()
            mine = {name: _told(said, project) for name, said in declared if (name, environment) in missing}
            scored |= {(each.name, environment): each for each in services(cells, mine, environment)}
        texts = {place: orjson.Fragment(orjson.dumps(service_data(scored[place]))) for place in missing}
        return {place: _Written(versions, until[place], texts[place]) for place, versions in missing.items()}


def _told(said: Declared, project: str | None) -> Declared:
    """Return what a reader may know of a declared service; one of a project whose runs are of it, what is required."""
    return said if project is None else Declared(requires=said.requires)
