"""The application in this process, over a store of each kind, with a client that holds a token."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from reports.api.app import create_app
from reports.api.service import Service, Settings
from reports.record import Record
from reports.store import Store
from reports.tokens import create


@dataclass
class Api:
    """The application, its store, and requests with a token."""

    app: FastAPI
    client: TestClient
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        service: Service = self.app.state.service
        return service.store

    def token(self, *scopes: str, project: str = "payment", seconds: float = 3600.0) -> dict[str, str]:
        _, shown = create(self.store, scopes or ("ingest", "read"), project, seconds, made_by="ada")
        return {"Authorization": f"Bearer {shown}"}

    def post(self, record: Record | bytes, **headers: str) -> Response:
        content = record if isinstance(record, bytes) else record.canonical()
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        answer: Response = self.client.post("/api/v1/runs", content=content, headers=self.headers | sent)
        return answer

    def lines(self, *many: Record | bytes, **headers: str) -> Response:
        content = b"\n".join(each if isinstance(each, bytes) else each.canonical() for each in many)
        return self.post(content, **({"Content_Type": "application/x-ndjson"} | headers))

    def get(self, path: str, **headers: str) -> Response:
        answer: Response = self.client.get(path, headers=self.headers | headers)
        return answer


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def api(tmp_path: Any, settings: Settings) -> Iterator[Api]:
    """On SQLite: what PostgreSQL does otherwise is below the application, and tested there and on a real server."""
    app = create_app(settings)
    with TestClient(app) as client:
        made = Api(app, client)
        made.headers = made.token()
        yield made


def fields(response: Response) -> list[str]:
    """Return the fields at fault; the answer must be a problem as RFC 9457 has it."""
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["status"] == response.status_code
    assert told["type"].startswith("urn:chaosctl:problem:")
    assert told["title"]
    assert told["detail"]
    return [error["field"] for error in told["errors"]]
