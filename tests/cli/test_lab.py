import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lab.hosts import HOSTS
from runner.cli.lab import command
from runner.errors import UsageError

NAME = f"c{os.getpid() % 1000000}"
SUBNET = f"10.{110 + os.getpid() % 50}.250.0/24"


@pytest.fixture(scope="module", autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    _lab("down", "--name", NAME)


def _lab(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_a_lab_goes_up_tells_how_it_is_and_goes_down() -> None:
    up = _lab("up", "--name", NAME, "--subnet", SUBNET, "--scrape-interval", "500ms")
    assert up.exit_code == 0, up.output
    assert f"{NAME}: up and healthy (" in up.output
    print(up.output)  # noqa: T201 - figures to read

    status = _lab("status", "--name", NAME)
    assert (status.exit_code, status.output.count("\n")) == (0, len(HOSTS))
    assert all(line.startswith("up    ") for line in status.output.splitlines())

    down = _lab("down", "--name", NAME)
    assert (down.exit_code, "nothing is left" in down.output) == (0, True)


def test_a_lab_that_is_not_there_is_down_and_exits_3() -> None:
    status = _lab("status", "--name", "nowhere", "--output", "json")
    found = json.loads(status.stdout)
    assert (status.exit_code, found["lab"], found["healthy"]) == (3, "nowhere", False)
    assert {part["up"] for part in found["parts"]} == {False}
    assert set(found["parts"][0]) == {"name", "namespace", "address", "address6", "trouble", "up"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("up", "--name", "not a name"),
        ("up", "--subnet", "office"),
        ("up", "--scrape-interval", "15"),
        ("up", "--scrape-interval", "2h"),
        ("down", "--name", "../etc"),
        ("status", "--name", "../etc"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_touched(arguments: tuple[str, ...]) -> None:
    assert isinstance(_lab(*arguments).exception, UsageError)
    assert not Path("/run/chaoslab", arguments[-1]).exists()


def test_each_command_says_what_it_does() -> None:
    for name in ("up", "down", "status"):
        assert name in _lab("--help").output
        assert "--name" in _lab(name, "--help").output
