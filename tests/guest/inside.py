"""In the guest: writes what each test came to into the share, as it comes, for the pytest outside."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

__all__ = ["RESULTS"]

RESULTS = "CHAOSCTL_GUEST_RESULTS"
"""The environment variable that names the file; where it is set, this is the guest."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep the configuration: hooks that tell of reports are not given it."""
    config.pluginmanager.register(_Writer(config))


class _Writer:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._results = Path(os.environ[RESULTS])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write({"test": report.nodeid, "report": data})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write({"test": nodeid, "report": None})

    def _write(self, line: dict[str, Any]) -> None:
        with self._results.open("a") as results:
            results.write(json.dumps(line) + "\n")
