"""Labs for the tests of the lab: names and ranges of this process alone, so that two test runs do not meet."""

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.down import down
from lab.lock import held
from lab.plan import Lab
from lab.up import up

Scratch = Callable[[], Lab]
_numbers = itertools.count()


@pytest.fixture(scope="package")
def scratch() -> Scratch:
    """Return a maker of labs that nobody else has."""

    def make() -> Lab:
        number = next(_numbers)
        return Lab(f"t{os.getpid() % 100000}{number}", f"10.{160 + os.getpid() % 50}.{number}.0/24")

    return make


@pytest.fixture(scope="package")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, scratch: Scratch) -> Iterator[Lab]:
    """Return a lab that is up for all tests that leave it as they found it."""
    started = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        wanted = scratch()
        lab = up(print, wanted.name, wanted.subnet)
    print(f"healthy after {time.monotonic() - started:.1f} s")  # noqa: T201 - a figure to read, not to assert
    yield lab
    down(lab.name, print)


@pytest.fixture
def downed_lab(scratch: Scratch) -> Iterator[Lab]:
    """Return a lab that is not up, and is taken down after the test whatever became of it."""
    lab = scratch()
    yield lab
    down(lab.name, print)


@pytest.fixture
def lock(scratch: Scratch) -> Iterator[int]:
    """Hold the lock of a lab that is not up."""
    with held(scratch(), print) as handle:
        yield handle


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def _working_directories() -> Iterator[tuple[str, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            yield process.name, str((process / "cwd").readlink())
        except OSError:
            continue


@pytest.fixture(scope="package")
def traces_of() -> Callable[[Lab], list[str]]:
    """Return a look at what is there of a lab, by other means than the lab's own."""

    def look(lab: Lab) -> list[str]:
        prefix = f"chaoslab-{lab.name}-"
        third = ".".join(lab.subnet.split(".")[:3]) + "."
        kernel = (
            *_output("ip", "netns", "list").splitlines(),
            *_output("ip", "-brief", "link").splitlines(),
            *_output("ip", "-brief", "address").splitlines(),
            *_output("ip", "-4", "route", "show", "table", "all").splitlines(),
            *_output("ip", "-6", "route", "show", "table", "all").splitlines(),
        )
        signs = prefix, lab.link, third, str(lab.network6).removesuffix("/64")
        found = [line for line in kernel if any(sign in line for sign in signs)]
        found += [f"process {pid} in {place}" for pid, place in _working_directories() if str(lab.state) in place]
        paths = lab.state, lab.environment, lab.environment.with_suffix(".draft"), Path("/run/chaoslab", lab.name)
        found += [str(path) for path in (*paths, *Path("/etc/netns").glob(f"{prefix}*")) if path.exists()]
        return found

    return look
