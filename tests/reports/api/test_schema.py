"""The whole API against its own description: whatever is sent, it answers as it says, and never with a server error."""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from reports.api.app import create_app
from reports.api.service import Settings
from reports.tokens import create
from tests.reports._records import record

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
"""All but those by which whatever fits the schema must be taken: the lists of a series must also be of one length."""

_FEW = 12
EXAMPLES = int(os.environ.get("CHAOSCTL_API_EXAMPLES", _FEW))
"""Requests an operation: few and always the same in the suite; more, and others each time, where somebody says so."""

OPERATIONS = [
    ("/api/v1/runs", "POST"),
    ("/api/v1/junit", "POST"),
    ("/api/v1/runs", "GET"),
    ("/api/v1/runs/{run}", "GET"),
    ("/api/v1/runs/{run}/series", "GET"),
    ("/api/v1/runs/{run}/rollup", "GET"),
    ("/api/v1/cells", "GET"),
    ("/api/v1/cells/{of}/{fault}", "GET"),
    ("/api/v1/services", "GET"),
    ("/api/v1/services/{of}", "GET"),
    ("/healthz", "GET"),
    ("/metrics", "GET"),
]


@pytest.fixture
def shown_and_described() -> Any:
    """Return a token for, and the description of, an API that holds a run."""
    app = create_app(Settings(rate=1e9))
    service = app.state.service
    service.by_address.rate = 1e9
    service.store.keep(record())
    _, shown = create(service.store, ["ingest", "read"], "", 3600, made_by="ada")
    return shown, schemathesis.openapi.from_asgi("/openapi.json", app)


def test_every_operation_is_among_those_that_are_tried(shown_and_described: Any) -> None:
    _, schema = shown_and_described
    found = {(result.ok().path, result.ok().method.upper()) for result in schema.get_all_operations()}
    assert found == set(OPERATIONS)


@pytest.mark.timeout(max(300, EXAMPLES * 5))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_whatever_is_sent_is_answered_as_described(shown_and_described: Any, path: str, method: str) -> None:
    shown, schema = shown_and_described
    tried = []

    @given(case=schema[path][method].as_strategy())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=EXAMPLES == _FEW,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def answered(case: Any) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {shown}"})
        case.validate_response(answer, checks=CHECKS)
        tried.append(answer.status_code)

    answered()
    assert tried
