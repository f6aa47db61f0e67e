"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, behind a socket, gone afterwards."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

_START_SECONDS = 100.0
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=60")
"""A cluster that is thrown away need not outlive a power cut; what is killed in tests is our own processes."""


@dataclass
class Postgres:
    """A running cluster; `stop` and `start` take the store away and bring it back."""

    folder: Path
    binaries: Path
    user: str
    configured: tuple[str, ...] = _FAST
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://chaos@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it takes a connection."""
        settings = ["listen_addresses=", f"unix_socket_directories={self.folder}", *self.configured]
        argv = [str(self.binaries / "postgres"), "-D", str(self.folder / "data")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*argv, *(part for setting in settings for part in ("-c", setting))],
                stdout=log,
                stderr=log,
                user=self.user,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server at once, as a crash would."""
        if self.process:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
            self.process = None

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database."""
        name = f"t{secrets.token_hex(4)}"
        self.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user="chaos", dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def binaries() -> Path | None:
    """Return where PostgreSQL's own programs are, the newest of them; Debian keeps them off PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name))
    found = shutil.which("initdb")
    return places[-1] if places else Path(found).parent if found else None


@contextmanager
def postgres(programs: Path, configured: tuple[str, ...] = _FAST) -> Iterator[Postgres]:
    """Yield a running cluster of its own; it runs as an unprivileged user, because PostgreSQL refuses root."""
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="chaos-pg-"))
    made = Postgres(folder, programs, user, configured)
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        argv = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "chaos", "-A", "trust", "--no-sync"]
        subprocess.run([*argv, "-E", "UTF8", "--locale", "C.UTF-8"], user=user, check=True, capture_output=True)
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)
