"""Scores as plain data, for JSON documents and the API: one shape everywhere, moments in seconds since the epoch."""

from typing import Any

from reports.cells import Cell, Track
from reports.services import Fleet, Part, Service

__all__ = ["cell_data", "fleet_data", "service_data"]


def fleet_data(fleet: Fleet) -> dict[str, Any]:
    """Return a fleet with its services."""
    worst = fleet.worst
    return {
        "environment": fleet.environment,
        "score": fleet.score,
        "worst": worst.name if worst else None,
        "services": [service_data(service) for service in fleet.services],
    }


def service_data(service: Service) -> dict[str, Any]:
    """Return a service with the faults required of it, and the cells of those that are not."""
    return {
        "service": service.name,
        "environment": service.environment,
        "owner": service.owner,
        "criticality": service.criticality,
        "score": service.score,
        "pass_rate_low": service.pass_rate_low,
        "coverage": service.coverage,
        "last_valid": service.last_valid,
        "required": [_part_data(part) for part in service.parts],
        "others": [cell_data(cell) for cell in service.others],
    }


def cell_data(cell: Cell, *, tracks: bool = False) -> dict[str, Any]:
    """Return a cell; with `tracks`, the runs it is computed from too, by experiment, the one that decides first."""
    told = {
        "service": cell.key.service,
        "fault": cell.key.fault,
        "environment": cell.key.environment,
        "score": cell.score._asdict() if cell.score else None,
        "low": cell.low,
        "pass_rate_low": cell.pass_rate_low,
        "valid": cell.valid,
        "invalid": cell.invalid,
        "last_run": cell.last_run,
        "last_valid": cell.last_valid,
        "weight": cell.weight,
        "required": cell.required,
    }
    return told | ({"tracks": [_track_data(track) for track in cell.tracks]} if tracks else {})


def _part_data(part: Part) -> dict[str, Any]:
    told = {"fault": part.fault, "weight": part.weight, "counts": part.low, "state": part.state}
    return told | {"cell": cell_data(part.cell) if part.cell else None}


def _track_data(track: Track) -> dict[str, Any]:
    return {
        "experiment": track.experiment,
        "experiment_hash": track.experiment_hash,
        "score": track.score._asdict() if track.score else None,
        "passed": track.passed,
        "pass_rate_low": track.pass_rate_low,
        "invalid": track.invalid,
        "why_invalid": [{"reason": reason, "runs": number} for reason, number in track.why_invalid],
        "runs": [
            {"run": run.run, "started": run.started, "score": run.score, "verdict": run.verdict.value}
            for run in track.runs
        ],
    }
