"""How services and their cells stand now, each number with what it rests on."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from reports.api.problems import FieldError, Problem
from reports.api.reading import After, IfNoneMatch, Limit, answered, cursor, cursor_of, printable, visible
from reports.api.service import Reads, Service, Serving
from reports.cells import Cell, Key
from reports.portable import cell_data
from reports.queries import CellKey, cells_of, services_of
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
    ran = cells_of(service.store, of, environment, visible(token))
    later = sorted({_order(each) for each in ran if not place or _order(each) > place})
    page = set(later[:limit])
    found = _cells(service, token, [each for each in ran if _order(each) in page])
    told = [cell_data(found[Key(environment, name, fault)]) for name, fault, environment in later[:limit]]
    following = cursor(*later[limit - 1]) if len(later) > limit else None
    return answered({"cells": told, "next": following}, known)


@router.get("/cells/{of:path}/{fault}")
def get_cell(
    of: Name, fault: Name, service: Serving, token: Reads, environment: Environment = "", known: IfNoneMatch = ""
) -> Response:
    """One cell, with the runs it is computed from."""
    printable(of=of, fault=fault, environment=environment)
    ran = [each for each in cells_of(service.store, of, environment, visible(token)) if each.fault == fault]
    place = _one_environment(each.environment for each in ran)
    return answered(
        cell_data(service.standings.whole(Key(place, of, fault), visible(token), clock()), tracks=True), known
    )


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
    names = services_of(service.store, environment, visible(token)) | _declared(service, token, environment)
    later = [name for name in sorted(names) if not place or name > place]
    among = [name for name, _ in later[:limit]]
    ran = cells_of(service.store, "", environment, visible(token), among) if among else []
    page = service.told.services(ran, later[:limit], visible(token), clock())
    following = cursor(*later[limit - 1]) if len(later) > limit else None
    return answered({"services": page, "next": following}, known)


@router.get("/services/{of:path}")
def get_service(
    of: Name, service: Serving, token: Reads, environment: Environment = "", known: IfNoneMatch = ""
) -> Response:
    """One service: its score, and what each fault required of it counts."""
    printable(of=of, environment=environment)
    ran = cells_of(service.store, of, environment, visible(token))
    named = [place for name, place in _declared(service, token, environment) if name == of]
    place = _one_environment([*(each.environment for each in ran), *named])
    return answered(service.told.services(ran, [(of, place)], visible(token), clock())[0], known)


def _order(cell: CellKey) -> tuple[str, str, str]:
    return cell.service, cell.fault, cell.environment


def _one_environment(places: Iterable[str]) -> str:
    """Return the environment meant; raises Problem where there is none, or several and none was named."""
    found = sorted(set(places))
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


def _cells(service: Service, token: Token | None, ran: Iterable[CellKey]) -> dict[Key, Cell]:
    return service.standings.cells(ran, visible(token), clock())
