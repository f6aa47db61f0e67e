"""The ingestion API as an application: its routes, its errors in one shape, and its OpenAPI 3.1 description."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from sqlalchemy import select
from starlette.exceptions import HTTPException

from reports.api import reading, standing, writing
from reports.api.describe import described
from reports.api.direct import Direct
from reports.api.problems import FieldError, Problem, problem_of, response
from reports.api.reading import visible
from reports.api.service import Reads, Service, Serving, Settings
from reports.connect import connect, reaching
from reports.metrics import CONTENT_TYPE
from reports.place import resolved, without_password
from reports.store import Store
from reports.tables import runs
from runner.errors import ChaosctlError
from runner.model import clock

__all__ = ["create_app"]

_THREADS = 12
"""As many requests as work at once; a store has no use for more, and each holds one of its connections."""


def create_app(settings: Settings) -> FastAPI:
    """Return the application over a store, which is opened, and upgraded, at once; raises as connect() does."""
    store = Store(connect(settings.store_url), without_password(resolved(settings.store_url)))
    app = FastAPI(title="chaosctl reports", version="1", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.router.redirect_slashes = False
    app.add_middleware(Direct)
    app.state.service = Service(store, settings)
    for router in (writing.router, reading.router, standing.router):
        app.include_router(router)
    app.add_api_route("/healthz", _health, methods=["GET"], tags=["operation"])
    app.add_api_route("/metrics", _metrics, methods=["GET"], tags=["operation"])
    _answer_errors(app)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI documents it as the way to extend it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    service: Service = app.state.service
    service.background.start()
    yield
    service.together.close()
    service.background.close()
    service.workers.close()
    service.store.engine.dispose()


def _health(request: Request) -> Response:
    """Whether the store answers."""
    service: Service = request.app.state.service
    with reaching(service.store.place), service.store.engine.connect() as connection:
        connection.execute(select(runs.c.run).limit(1))
    return Response('{"status":"ok"}', media_type="application/json")


def _metrics(service: Serving, token: Reads) -> Response:
    """Scores, their bounds and ages, and runs by verdict, for Prometheus; a token of one project may not see all."""
    if visible(token) is not None:
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", "Metrics are of all projects; take a token without one.")
    return Response(service.metrics.text(clock()), media_type=CONTENT_TYPE)


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    @app.exception_handler(ChaosctlError)
    async def ours(_request: Request, error: Problem | ChaosctlError) -> Response:
        return response(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def parameters(_request: Request, error: RequestValidationError) -> Response:
        found = [FieldError(field=str(each["loc"][-1]), message=each["msg"]) for each in error.errors()]
        told = f"{found[0].field}: {found[0].message}."
        return response(Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", told, found))

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        return response(Problem(status, kind, f"{status.description or status.phrase}.", headers=error.headers))


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = described(get_openapi(title=app.title, version=app.version, routes=app.routes))
    return app.openapi_schema
