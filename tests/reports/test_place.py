"""URLs of stores: the default, and secrets that stay out of sight."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from reports.place import resolved, with_password, without_password


def test_no_url_means_the_file_in_the_state_directory(state: Path) -> None:
    assert resolved("") == f"sqlite:///{state}/store.db"
    assert resolved("postgresql://db/chaos") == "postgresql://db/chaos"


@pytest.mark.parametrize(
    "url", ["postgresql+psycopg://ada@db:5432/chaos", "postgresql+psycopg://ada:old@db:5432/chaos"]
)
def test_a_password_is_filled_in_whatever_signs_it_has(url: str) -> None:
    made = make_url(with_password(url, "p@ss/w:rd#?"))
    assert (made.username, made.password, made.host, made.port) == ("ada", "p@ss/w:rd#?", "db", 5432)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:secret@db/chaos", "postgresql://ada@db/chaos"),
        ("postgresql://ada:sec@ret@db/chaos", "postgresql://ada@db/chaos"),
        (
            "postgresql://db/chaos?user=ada&password=secret&sslmode=require",
            "postgresql://db/chaos?user=ada&sslmode=require",
        ),
        ("postgresql:///chaos?host=/run&password=secret", "postgresql:///chaos?host=/run"),
        ("sqlite:////var/lib/chaosctl/store.db", "sqlite:////var/lib/chaosctl/store.db"),
        ("sqlite:///store.db", "sqlite:///store.db"),
        ("foo", "foo"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
