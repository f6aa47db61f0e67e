"""Who may do what: tokens are shown once, hashed, scoped, bound to a project, expiring and revocable."""

import hmac
from typing import Any

import pytest

from reports import tokens
from reports.api.service import Settings
from reports.tables import tokens as table
from tests.reports._records import record
from tests.reports.api.conftest import Api, fields


def test_a_secret_is_kept_nowhere(api: Api) -> None:
    shown = api.headers["Authorization"].removeprefix("Bearer ")
    secret = shown.split("_", 2)[2]
    with api.store.engine.connect() as connection:
        (row,) = connection.execute(table.select()).all()
    assert not any(secret in str(value) for value in row)
    assert row.secret_hash == tokens._hashed(secret)


def test_it_is_compared_in_constant_time_whether_or_not_its_id_is_known(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[Any, Any]] = []

    def watching(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", watching)
    known = api.headers["Authorization"]
    for presented in (known, known[:-1] + ("A" if known[-1] != "A" else "B"), "Bearer nonsense", "Bearer " + "x" * 69):
        compared.clear()
        api.client.get("/api/v1/runs", headers={"Authorization": presented})
        assert len(compared) == 1
        assert {len(each) for each in compared[0]} == {64}


@pytest.mark.parametrize(
    "presented", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer chaosctl_000000000000_" + "a" * 43]
)
def test_without_a_valid_one_nothing_is_read_or_written(api: Api, presented: str) -> None:
    headers = {"Authorization": presented} if presented else {}
    api.headers = headers
    for answer in (api.get("/api/v1/runs"), api.post(record()), api.get("/metrics")):
        assert (answer.status_code, fields(answer)) == (401, [])
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_guesses_are_slowed_down(api: Api) -> None:
    api.headers = {"Authorization": "Bearer nonsense"}
    assert 429 in [api.get("/api/v1/runs").status_code for _ in range(200)]


def test_a_scope_is_all_it_may_do(api: Api) -> None:
    api.headers = api.token("ingest")
    assert api.post(record()).status_code == 201
    answer = api.get("/api/v1/runs/run-1")
    assert answer.status_code == 403
    assert 'scope="read"' in answer.headers["www-authenticate"]
    api.headers = api.token("read")
    assert api.get("/api/v1/runs/run-1").status_code == 200
    assert api.post(record(run="b")).status_code == 403


def test_a_revoked_or_expired_one_is_refused_at_once(api: Api) -> None:
    ident = api.headers["Authorization"].split("_")[1]
    assert api.get("/api/v1/runs").status_code == 200
    tokens.revoke(api.store, ident, by="ada")
    assert api.get("/api/v1/runs").status_code == 401
    api.headers = api.token(seconds=-1)
    assert api.get("/api/v1/runs").status_code == 401


def test_a_project_sees_and_writes_its_own_runs_alone(api: Api) -> None:
    api.post(record())
    blue = api.token(project="blue")
    everybody = api.token(project="")
    assert api.get("/api/v1/runs", **blue).json()["runs"] == []
    for path in ("runs/run-1", "runs/run-1/series", "cells/payment/network-dns", "services/payment"):
        assert api.get(f"/api/v1/{path}", **blue).status_code == 404
    assert api.get("/api/v1/cells", **blue).json()["cells"] == []
    assert api.get("/api/v1/services", **blue).json()["services"] == []
    assert api.get("/metrics", **blue).status_code == 403
    assert [row["project"] for row in api.get("/api/v1/runs", **everybody).json()["runs"]] == ["payment"]
    assert api.get("/metrics", **everybody).status_code == 200


class TestPublic:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(public_read=True)

    def test_reading_may_be_for_everybody_and_writing_never_is(self, api: Api) -> None:
        api.post(record())
        api.headers = {}
        assert api.get("/api/v1/runs/run-1").status_code == 200
        assert api.post(record(run="b")).status_code == 401
        api.headers = {"Authorization": "Bearer nonsense"}
        assert api.get("/api/v1/runs").status_code == 401
