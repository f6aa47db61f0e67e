"""Stores for tests: each body runs on SQLite and on a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests._postgres import Postgres, binaries, postgres


@pytest.fixture(scope="session")
def cluster() -> Iterator[Postgres]:
    """One PostgreSQL for all tests that need one."""
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: make setup installs it")
    with postgres(programs) as made:
        yield made


@pytest.fixture
def pg_url(cluster: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with cluster.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, on each kind of database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/team.db"
    found: str = request.getfixturevalue("pg_url")
    return found
