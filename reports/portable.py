"""Scores as plain data, for JSON documents: the same words everywhere."""

from typing import Any

from reports.cells import Cell
from reports.services import Fleet, Part, Service
from runner.model import iso

__all__ = ["cell_data", "fleet_data", "service_data"]


def fleet_data(fleet: Fleet, now: float) -> dict[str, Any]:
    """Return a fleet with its services."""
    worst = fleet.worst
    return {
        "environment": fleet.environment,
        "score": fleet.score,
        "worst": worst.name if worst else None,
        "services": [service_data(service, now) for service in fleet.services],
    }


def service_data(service: Service, now: float) -> dict[str, Any]:
    """Return a service with the faults required of it, and those that are not."""
    return {
        "name": service.name,
        "environment": service.environment,
        "owner": service.owner,
        "criticality": service.criticality,
        "score": service.score,
        "pass_rate_low": service.pass_rate_low,
        "coverage": service.coverage,
        "last_valid": _moment(service.last_valid),
        "faults": [_part_data(part, now) for part in service.parts],
        "not_required": [cell_data(cell, now) for cell in service.others],
    }


def cell_data(cell: Cell, now: float) -> dict[str, Any]:
    """Return a cell with its tracks, the one that decides first."""
    return {
        "service": cell.key.service,
        "fault": cell.key.fault,
        "environment": cell.key.environment,
        "score": cell.score._asdict() if cell.score else None,
        "pass_rate_low": cell.pass_rate_low,
        "valid": cell.valid,
        "invalid": cell.invalid,
        "last_run": _moment(cell.last_run),
        "last_valid": _moment(cell.last_valid),
        "age": cell.age(now),
        "tracks": [
            {
                "experiment": track.experiment,
                "experiment_hash": track.experiment_hash,
                "runs": [run.run for run in track.runs],
                "passed": track.passed,
                "pass_rate_low": track.pass_rate_low,
                "score": track.score._asdict() if track.score else None,
                "invalid": track.invalid,
                "why_invalid": [{"reason": reason, "runs": number} for reason, number in track.why_invalid],
            }
            for track in cell.tracks
        ],
    }


def _part_data(part: Part, now: float) -> dict[str, Any]:
    return {
        "fault": part.fault,
        "weight": part.weight,
        "state": part.state,
        "counts": part.low,
        "cell": cell_data(part.cell, now) if part.cell else None,
    }


def _moment(at: float | None) -> str | None:
    return None if at is None else iso(at)
