"""Who and what started a run."""

import getpass
import os
import re
import socket

import pytest

from runner.config import Chosen, Environment
from runner.errors import UsageError
from runner.origin import LABELS, labels, origin, run_id, user


def test_run_ids_sort_by_start_say_what_ran_and_are_never_twice() -> None:
    earlier, later = run_id("Payments go on!", 1_800_000_000), run_id("a", 1_800_000_001)
    assert re.fullmatch(r"20270115-080000-payments-go-on-[0-9a-f]{4}", earlier)
    assert earlier < later
    assert len({run_id("x", 0) for _ in range(50)}) > 45


@pytest.mark.parametrize("name", ["../../etc/passwd", "a b\nc", "", "ü" * 100, "x" * 300])
def test_run_ids_are_file_names(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,64}", run_id(name, 0))


def test_origin_names_user_host_environment_and_versions() -> None:
    found = origin("chaos run", Chosen(name="lab", environment=Environment(kind="lab")))
    assert (found["how"], found["environment"], found["environment_kind"]) == ("chaos run", "lab", "lab")
    assert found["host"] == socket.gethostname()
    assert {"chaosctl", "chaostoolkit", "chaostoolkit-lib", "python", "kernel"} == set(found["versions"])
    assert "not installed" not in found["versions"].values()
    assert origin("chaos run", None)["environment"] == ""


def test_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers may run as any user id."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert user() == f"uid {os.getuid()}"


def test_user_is_who_called_sudo_and_only_root_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert user() == "ada"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert user() == getpass.getuser()


def test_labels_say_what_ran_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LABELS, "git=4f2a9c1, image.api=registry:5000/api:1.4.2@sha256=ab")
    assert origin("x", None)["labels"] == {"git": "4f2a9c1", "image.api": "registry:5000/api:1.4.2@sha256=ab"}
    monkeypatch.delenv(LABELS)
    assert origin("x", None)["labels"] == {}


@pytest.mark.parametrize("wrong", ["git", "=4f2a", "git=", "a=1,b"])
def test_what_is_no_label_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is not a label"):
        labels(wrong)
