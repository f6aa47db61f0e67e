"""A service's score over the faults required of it, and the fleet's over its services."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reports.cells import Cell, Key

__all__ = ["Declared", "Fleet", "Part", "Service", "fleet", "services"]


@dataclass(frozen=True)
class Declared:
    """What chaosctl.yaml says of a service: how much it matters, who owns it, and the weight of each fault required."""

    criticality: float = 1.0
    owner: str = ""
    requires: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One required fault of a service; `cell` is None where it was never run."""

    fault: str
    weight: float
    cell: Cell | None

    @property
    def low(self) -> float:
        """What it counts: the lower bound of the mean score, 0 where nothing valid is in the window."""
        return self.cell.low if self.cell else 0.0

    @property
    def covered(self) -> bool:
        """Whether the window holds a valid run."""
        return bool(self.cell and self.cell.valid)

    @property
    def state(self) -> str:
        """`covered`, or why it counts 0: `dated ahead`, `never run`, `never valid` or `expired`."""
        if self.covered:
            return "covered"
        if self.cell and self.cell.ahead:
            return "dated ahead"
        if self.cell is None or self.cell.last_run is None:
            return "never run"
        return "never valid" if self.cell.last_valid is None else "expired"


@dataclass(frozen=True)
class Service:
    """One service; `score` is None where no fault is required of it, because then there is nothing to weigh."""

    environment: str
    name: str
    owner: str
    criticality: float
    parts: tuple[Part, ...]
    others: tuple[Cell, ...]
    score: float | None
    pass_rate_low: float | None
    coverage: float | None
    last_valid: float | None


@dataclass(frozen=True)
class Fleet:
    """All services of one environment, the worst first; `score` is None where none of them has one."""

    environment: str
    services: tuple[Service, ...]
    score: float | None

    @property
    def worst(self) -> Service | None:
        """The service with the lowest score."""
        scored = [service for service in self.services if service.score is not None]
        return scored[0] if scored else None


def services(found: Mapping[Key, Cell], declared: Mapping[str, Declared], environment: str) -> tuple[Service, ...]:
    """Return the services of one environment, those that were only declared too, the worst first."""
    by_service: dict[str, list[Cell]] = defaultdict(list)
    for key, each in found.items():
        if key.environment == environment:
            by_service[key.service].append(each)
    names = sorted({*by_service, *declared})
    made = [_service(environment, name, by_service[name], declared.get(name, Declared())) for name in names]
    return tuple(sorted(made, key=lambda each: (each.score is None, each.score or 0.0, each.name)))


def fleet(found: Mapping[Key, Cell], declared: Mapping[str, Declared], environment: str) -> Fleet:
    """Return the fleet of one environment: its services, and their mean weighted by criticality."""
    members = services(found, declared, environment)
    score = _mean((each.criticality, each.score) for each in members if each.score is not None)
    return Fleet(environment, members, score)


def _service(environment: str, name: str, found: Iterable[Cell], declared: Declared) -> Service:
    by_fault = {each.key.fault: each for each in found}
    weights = {fault: each.weight for fault, each in by_fault.items() if each.required} | dict(declared.requires)
    parts = tuple(
        sorted(
            (Part(fault, weight, by_fault.get(fault)) for fault, weight in weights.items()),
            key=lambda part: (part.low, part.fault),
        )
    )
    covered = sum(part.covered for part in parts)
    return Service(
        environment=environment,
        name=name,
        owner=declared.owner,
        criticality=declared.criticality,
        parts=parts,
        others=tuple(each for fault, each in sorted(by_fault.items()) if fault not in weights),
        score=_mean((part.weight, part.low) for part in parts),
        pass_rate_low=_rate((part.weight, part.cell.pass_rate_low if part.cell else 0.0) for part in parts),
        coverage=covered / len(parts) if parts else None,
        last_valid=max((each.last_valid for each in by_fault.values() if each.last_valid), default=None),
    )


def _mean(weighted: Iterable[tuple[float, float]]) -> float | None:
    value = _rate(weighted)
    return None if value is None else round(value, 1)


def _rate(weighted: Iterable[tuple[float, float]]) -> float | None:
    pairs = list(weighted)
    total = math.fsum(weight for weight, _ in pairs)
    return math.fsum(weight * value for weight, value in pairs) / total if total else None
