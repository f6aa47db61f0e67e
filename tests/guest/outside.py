"""Tests marked by what they need of the kernel run where it has that: here, or else in a guest whose kernel has.

`netem` is tc's netem, `unified` cgroup version 2 with the controllers of processors, memory and disks. Tests marked
`guest` do to a machine what nobody wants done to this one.

The guest runs all of them in one pytest, and each is reported here as what it came to there. What comes to nothing has
failed.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.guest.inside import RESULTS
from tests.guest.kernel import NoKernel
from tests.guest.machine import Guest, lacking

__all__ = ["Results", "has_netem"]

_LIMIT = 2400.0
"""Seconds that all tests in the guest may take: about ten times what they take on two cores with nothing else to do."""

_EACH = 300
_PAUSE = 0.05
_TRY = "unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"
_GUEST = pytest.StashKey["_Tests"]()


@cache
def has_netem() -> bool:
    """Return whether this kernel has netem; as nobody special, whether it is known to."""
    return subprocess.run(_TRY, capture_output=True, check=False).returncode == 0


@cache
def has_unified() -> bool:
    """Return whether cgroups are of version 2 here, and may be limited."""
    given = Path("/sys/fs/cgroup/cgroup.subtree_control")
    return given.exists() and {"cpu", "io", "memory"} <= set(given.read_text().split())


_NEEDS: dict[str, Callable[[], bool]] = {"netem": has_netem, "unified": has_unified, "guest": lambda: False}


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers."""
    for name in _NEEDS:
        config.addinivalue_line("markers", f"{name}: says what it needs; without it here it runs in a guest")


def _is_for_the_guest(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) and not has() for name, has in _NEEDS.items())


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests for the guest last: while it runs, nothing else does."""
    marked = [] if RESULTS in os.environ else [item for item in items if _is_for_the_guest(item)]
    if not marked:
        return
    items[:] = [item for item in items if item not in marked] + marked
    why = lacking()
    for item in marked:
        item.add_marker(pytest.mark.skip(reason=why) if why else pytest.mark.timeout(_LIMIT))
    if not why:
        config.stash[_GUEST] = _Tests(config, [item.nodeid for item in marked])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Report what a test came to in the guest instead of running it."""
    tests = item.config.stash.get(_GUEST, None)
    if tests is None or item.nodeid not in tests.names:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in tests.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the guest, also where not all was waited for."""
    if tests := config.stash.get(_GUEST, None):
        tests.end()


class Results:
    """The file that the guest writes its results into, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._lines: list[dict[str, Any]] = []

    def of(self, name: str) -> list[dict[str, Any]] | None:
        """Return the reports of a test, or nothing as long as there may be more of them."""
        self._go_on()
        mine = [line["report"] for line in self._lines if line["test"] == name]
        return [report for report in mine if report] if None in mine else None

    def _go_on(self) -> None:
        with self._path.open() as results:
            results.seek(self._read)
            whole, newline, _ = results.read().rpartition("\n")
        self._read += len((whole + newline).encode())
        self._lines += [json.loads(line) for line in whole.splitlines()]


class _Tests:
    """The tests of one guest, which is started when the first of them is due."""

    def __init__(self, config: pytest.Config, names: list[str]) -> None:
        self.names = names
        self._config = config
        self._stack = ExitStack()
        self._started: tuple[Guest, Results] | None = None
        self._why = ""

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Yield what a test came to, waiting for it."""
        found = self._waited_for(item.nodeid)
        if found is None:
            yield pytest.TestReport(item.nodeid, item.location, {}, "failed", self._why, "call")
        for data in found or ():
            if isinstance(data["longrepr"], list):  # where and why a test was skipped: JSON knows no tuples
                data["longrepr"] = tuple(data["longrepr"])
            yield self._config.hook.pytest_report_from_serializable(config=self._config, data=data)

    def end(self) -> None:
        """End the guest, if it was started."""
        self._stack.close()

    def _waited_for(self, name: str) -> list[dict[str, Any]] | None:
        try:
            guest, results = self._started or self._start()
        except NoKernel as error:
            self._why = str(error)
            return None
        while (found := results.of(name)) is None and guest.runs:
            threading.Event().wait(_PAUSE)
        found = found or results.of(name)
        self._why = f"The guest gave no result of this test. The last it said:\n{guest.said()}"
        return found

    def _start(self) -> tuple[Guest, Results]:
        share = Path(self._stack.enter_context(TemporaryDirectory(prefix="guest-"))) / "share"
        plugins = "-p", "pytest_timeout", "-p", "tests.guest.inside", "-p", "no:cacheprovider"
        argv = [sys.executable, "-m", "pytest", *plugins, f"--timeout={_EACH}", "-q", "--color=no", "@/run/share/tests"]
        strict = {name: value for name, value in os.environ.items() if name == "CHAOSCTL_NO_SKIPS"}
        settings = {RESULTS: "/run/share/results", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others cost a minute there
        guest = Guest(share, argv, {**settings, **strict}, _LIMIT)
        (share / "tests").write_text("\n".join(self.names))
        (share / "results").touch()
        self._started = self._stack.enter_context(guest), Results(share / "results")
        return self._started
