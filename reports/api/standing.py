"""How services and their cells stand now, each number with what it rests on."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from reports.api.problems import FieldError, Problem
from reports.api.reading import After, IfNoneMatch, Limit, answered, cursor, cursor_of, printable, visible
from reports.api.service import Reads, Service, Serving
from reports.cells import Cell, Key, cell
from reports.history import RunSummary
from reports.portable import cell_data, service_data
from reports.queries import DAYS, CellKey, cells_of, history, last_runs
from reports.scored import current
from reports.services import fleet
from reports.tokens import Token
from runner.model import clock

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["services"])

Name = Annotated[str, Path(min_length=1, max_length=200)]
Environment = Annotated[str, Query(max_length=200, description="Default: the only one the service ran in.")]


@router.get("/cells")
def get_cells(
    service: Serving,
    token: Reads,
    of: Annotated[str, Query(alias="service", max_length=200)] = "",
    environment: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 50,
    after: After = "",
    known: IfNoneMatch = "",
) -> Response:
    """Every service x fault that ever ran, with its score where it has one."""
    printable(service=of, environment=environment)
    place = cursor_of(after, (str, str, str))
    keys = sorted({_key(each) for each in cells_of(service.store, of, environment, visible(token))}, key=_order)
    later = [key for key in keys if not place or _order(key) > place]
    found = _cells(service, token, later[:limit])
    following = cursor(*_order(later[limit - 1])) if len(later) > limit else None
    return answered({"cells": [cell_data(found[key]) for key in later[:limit]], "next": following}, known)


@router.get("/cells/{of}/{fault}")
def get_cell(
    of: Name, fault: Name, service: Serving, token: Reads, environment: Environment = "", known: IfNoneMatch = ""
) -> Response:
    """One cell, with the runs it is computed from."""
    printable(of=of, fault=fault, environment=environment)
    keys = [_key(each) for each in cells_of(service.store, of, environment, visible(token)) if each.fault == fault]
    key = Key(_one_environment(keys), of, fault)
    found = _cells(service, token, [key])[key]
    return answered(cell_data(found, tracks=True), known)


@router.get("/services")
def get_services(
    service: Serving,
    token: Reads,
    environment: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 50,
    after: After = "",
    known: IfNoneMatch = "",
) -> Response:
    """Every service that was ever run or is declared, by name."""
    printable(environment=environment)
    place = cursor_of(after, (str, str))
    names = {(each.service, each.environment) for each in cells_of(service.store, "", environment, visible(token))}
    later = [name for name in sorted(names | _declared(service, token, environment)) if not place or name > place]
    page = [_service(service, token, name, place) for name, place in later[:limit]]
    following = cursor(*later[limit - 1]) if len(later) > limit else None
    return answered({"services": page, "next": following}, known)


@router.get("/services/{of}")
def get_service(
    of: Name, service: Serving, token: Reads, environment: Environment = "", known: IfNoneMatch = ""
) -> Response:
    """One service: its score, and what each fault required of it counts."""
    printable(of=of, environment=environment)
    keys = [_key(each) for each in cells_of(service.store, of, environment, visible(token))]
    named = [Key(place, of, "") for name, place in _declared(service, token, environment) if name == of]
    return answered(_service(service, token, of, _one_environment([*keys, *named])), known)


def _key(cell: CellKey) -> Key:
    return Key(cell.environment, cell.service, cell.fault)


def _order(key: Key) -> tuple[str, str, str]:
    return key.service, key.fault, key.environment


def _one_environment(keys: Iterable[Key]) -> str:
    """Return the environment meant; raises Problem where there is none, or several and none was named."""
    found = sorted({key.environment for key in keys})
    if not found:
        raise Problem(HTTPStatus.NOT_FOUND, "never-run", "Nothing of that name ever ran. GET /api/v1/cells lists all.")
    if len(found) > 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "ambiguous",
            f"It ran in several environments: {', '.join(found[:10])}. Name one.",
            [FieldError(field="environment", message="should name one of those it ran in")],
        )
    return found[0]


def _declared(service: Service, token: Token | None, environment: str) -> set[tuple[str, str]]:
    """Return the services that the configuration names; who may see one project alone sees what ran in it alone."""
    if visible(token) is not None:
        return set()
    said = service.settings.declared.items()
    return {(name, place) for place, names in said if environment in ("", place) for name in names}


def _cells(service: Service, token: Token | None, keys: Iterable[Key]) -> dict[Key, Cell]:
    """Return cells as they are now; one with nothing valid within the window still says when it last was."""
    now, project = clock(), visible(token)
    runs: dict[Key, list[RunSummary]] = {key: [] for key in keys}
    for name in sorted({key.service for key in runs}):
        faults = sorted({key.fault for key in runs if key.service == name})
        for run in history(service.store, now - DAYS * 86400, name, faults, project=project):
            for fault in run.faults:
                runs.get(Key(run.environment, name, fault), []).append(run)
    for key, found in runs.items():
        if not any(run.valid for run in found):
            found.extend(last_runs(service.store, CellKey(*_order(key), ""), project, valid=True))
        if not found:
            found.extend(last_runs(service.store, CellKey(*_order(key), ""), project))
    by_formula = {key: [current(service.store, run) for run in found] for key, found in runs.items()}
    return {key: cell(key, found, now) for key, found in by_formula.items()}


def _service(service: Service, token: Token | None, name: str, environment: str) -> dict[str, Any]:
    keys = [_key(each) for each in cells_of(service.store, name, environment, visible(token))]
    declared = service.settings.declared.get(environment, {}) if visible(token) is None else {}
    mine = {name: declared[name]} if name in declared else {}
    found = fleet(_cells(service, token, keys), mine, environment)
    scored = next(each for each in found.services if each.name == name)
    return service_data(scored)
