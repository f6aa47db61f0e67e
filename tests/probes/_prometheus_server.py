"""A real Prometheus on a loopback port, and targets whose pages follow what a test says."""

import json
import math
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import requests

__all__ = ["Episode", "Exporter", "Job", "free_port", "running", "tardy", "until"]

_T = TypeVar("_T")


class Exporter:
    """A target on loopback; `render` gets the number of the scrape, from 0, and returns the page or a status."""

    def __init__(self, render: Callable[[int], str | int]) -> None:
        self.scrapes = 0
        self._lock = threading.Lock()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with exporter._lock:
                    page = render(exporter.scrapes)
                    exporter.scrapes += 1
                with suppress(ConnectionError):  # a scrape may have timed out meanwhile
                    self.send_response(page if isinstance(page, int) else 200)
                    self.end_headers()
                    self.wfile.write(page.encode() if isinstance(page, str) else b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the port: from now on a scrape is refused. Once is enough, twice does no harm."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


@dataclass
class Episode:
    """A service that fails half a second after scrape `first`, and works again half a second after scrape `last`.

    While it fails its gauge is 0 instead of 1, and half of its 200 requests per second fail.
    """

    job: str
    interval: int
    smear: int
    first: int
    last: int
    begin: float = math.inf
    end: float = math.inf
    started: float = field(default_factory=time.time)

    def page(self, scrape: int) -> str:
        now = time.time()
        if scrape == self.first:
            self.begin = now + 0.5
        if scrape == self.last:
            self.end = now + 0.5
        bad = int(100 * max(0.0, min(now, self.end) - self.begin))
        good = int(200 * (now - self.started)) - bad
        healthy = 0 if self.begin <= now < self.end else 1
        return f'healthy {healthy}\nrequests_total{{code="200"}} {good}\nrequests_total{{code="500"}} {bad}\n'

    @property
    def gauge(self) -> str:
        return f'1 - healthy{{job="{self.job}"}}'

    @property
    def ratio(self) -> str:
        rate = f'sum(rate(requests_total{{job="{self.job}",code=~"%s"}}[{self.smear}s]))'
        return f"{rate % '5..'} / {rate % '...'}"


def tardy(scrape: int) -> str:
    """Takes most of an interval for each page, and now and then longer than Prometheus waits."""
    time.sleep(1.3 if scrape % 4 == 3 else 0.7)
    return f"tardy {scrape}\n"


@dataclass(frozen=True)
class Job:
    """What Prometheus scrapes: exporters, or a file of targets that the test rewrites."""

    name: str
    targets: Sequence[Exporter] = ()
    interval: str = "1s"
    file: Path | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """Return its part of prometheus.yml."""
        found = {"file_sd_configs": [{"files": [str(self.file)]}]} if self.file else {}
        fixed = [{"targets": [target.address for target in self.targets]}]
        return {
            "job_name": self.name,
            "scrape_interval": self.interval,
            "scrape_timeout": self.interval,
            **(found or {"static_configs": fixed}),
            **self.extra,
        }


@contextmanager
def running(
    folder: Path,
    jobs: Sequence[Job],
    rules: Mapping[str, str] | None = None,
    web: Mapping[str, Any] | None = None,
    alerts: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run Prometheus, yield its URL; `rules` maps recorded names to expressions, `web` is its web configuration.

    `alerts` maps the names of critical alerts to theirs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    recorded = [{"record": name, "expr": expression} for name, expression in (rules or {}).items()]
    groups = [{"name": "recorded", "interval": "2s", "rules": recorded}] if recorded else []
    critical = [
        {"alert": name, "expr": expression, "labels": {"severity": "critical"}}
        for name, expression in (alerts or {}).items()
    ]
    groups += [{"name": "critical", "interval": "1s", "rules": critical}] if critical else []
    _write(folder / "rules.yml", {"groups": groups})
    _write(folder / "prometheus.yml", {"rule_files": ["rules.yml"], "scrape_configs": [job.config() for job in jobs]})
    _write(folder / "web.yml", dict(web or {}))
    port = free_port()
    scheme = "https" if web and "tls_server_config" in web else "http"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(_argv(folder, port), stdout=log, stderr=log)
        try:
            until(lambda: _ready(process, f"{scheme}://localhost:{port}/-/ready", folder / "log"), 60)
            yield f"{scheme}://localhost:{port}"
        finally:
            process.terminate()
            process.wait(30)


def until(look: Callable[[], _T], seconds: float = 30.0) -> _T:
    """Return the first answer that is not false; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)
    return found


def free_port() -> int:
    """Return a port of loopback that nothing listens on now."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _argv(folder: Path, port: int) -> list[str]:
    return [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--web.config.file={folder / 'web.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]


def _ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> bool:
    assert process.poll() is None, f"prometheus ended: {log.read_text()}"
    try:
        with warnings.catch_warnings(action="ignore"):
            answer = requests.get(url, timeout=5, verify=False)  # noqa: S501 - it is only asked whether it is up
    except requests.ConnectionError:
        return False
    return answer.status_code in (200, 401)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, which is YAML too."""
    path.write_text(json.dumps(content))
