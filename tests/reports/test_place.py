"""URLs of stores: the default, and secrets that stay out of sight."""

from pathlib import Path

import pytest

from reports.place import resolved, without_password


def test_no_url_means_the_file_in_the_state_directory(state: Path) -> None:
    assert resolved("") == f"sqlite:///{state}/store.db"
    assert resolved("postgresql://db/chaos") == "postgresql://db/chaos"


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
