"""A real `chaosctl serve` in a process of its own, that can be killed and started again at the same address."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from reports.store import open_store
from reports.tokens import create

_ROOT = Path(__file__).parents[2]
_RUN = "from runner.cli.main import main; main()"


class Serving:
    """`url` stays the same over restarts, because the port is taken again."""

    def __init__(self, store: str, options: Sequence[str]) -> None:
        self._store = store
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        port = self.url.rpartition(":")[2] or "0"
        argv = ["serve", "--port", port, "--store", self._store, "--rate", "100000", *self._options]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _RUN, *argv], cwd=_ROOT, stderr=subprocess.PIPE, text=True, env=os.environ
        )
        assert self._process.stderr is not None
        told = self._process.stderr.readline()
        found = re.search(r"http://\S+:\d+", told)
        assert found, told + self._process.stderr.read()
        self.url = found[0]

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the server, at once by default, and return how it ended."""
        assert self._process is not None
        self._process.send_signal(number)
        status = self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None
        return status

    def stop(self) -> None:
        if self._process:
            self.kill()


@contextmanager
def serving(store: str, *options: str) -> Iterator[Serving]:
    """Yield a server over that store."""
    made = Serving(store, options)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def token(store: str, *scopes: str, project: str = "payment", seconds: float = 3600) -> str:
    """Make a token in that store, and return what its holder presents."""
    with open_store(store) as opened:
        return create(opened, scopes or ("ingest", "read"), project, seconds, made_by="ada")[1]
