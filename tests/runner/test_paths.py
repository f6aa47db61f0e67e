"""Where state is kept."""

from pathlib import Path

import pytest

from runner.paths import state_dir


def test_named_directory_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "chaosctl"


@pytest.mark.parametrize(("uid", "place"), [(0, Path("/var/lib/chaosctl")), (1000, Path("/h/.local/state/chaosctl"))])
def test_root_has_one_place_whatever_home_sudo_left(uid: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setattr("os.geteuid", lambda: uid)
    assert state_dir() == place
