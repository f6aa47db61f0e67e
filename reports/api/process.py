"""Server processes: one, or several that share a socket; each opens the store for itself."""

import json
import os
import socket
import ssl
from dataclasses import asdict

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from reports.api.app import create_app
from reports.api.service import Settings
from reports.api.workers import end_with
from reports.connect import connect
from reports.services import Declared
from runner.errors import Unreachable, UsageError

__all__ = ["Listening", "application", "check_certificate", "configured", "listen", "serve"]

_SETTINGS = "CHAOSCTL_SERVE_SETTINGS"
_SUPERVISOR = "CHAOSCTL_SERVE_SUPERVISOR"
_GRACE_SECONDS = 10
_IDLE_SECONDS = 75
"""Longer than clients and proxies keep a connection they do not use, so that they close it, and never ask one that is
being closed."""


class Listening:
    """A socket that takes connections already; they are answered once a process serves it."""

    def __init__(self, taken: socket.socket) -> None:
        self.socket = taken

    def url(self, *, tls: bool) -> str:
        """Return where it is reached."""
        host, port = self.socket.getsockname()[:2]
        return f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"


def check_certificate(certificate: str, key: str) -> None:
    """Raise UsageError where HTTPS cannot be served by these files; without any, none is wanted."""
    if key and not certificate:
        raise UsageError("--tls-key is the key of a certificate.", "Name that with --tls-cert.")
    if not certificate:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key or None)
    except OSError as error:
        raise UsageError(
            f"HTTPS cannot be served by the certificate {certificate} and the key {key or certificate}: "
            f"{error.strerror or error}.",
            "Both are PEM files that this user may read; a certificate without --tls-key holds its key too.",
        ) from error


def listen(host: str, port: int) -> Listening:
    """Take the address; raises Unreachable where somebody else has it, or where it is none of this machine."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        taken = socket.create_server((host, port), family=family, backlog=1024)
        # Accepted ones inherit it; without it an answer's second packet waits 40 ms for the first to be acknowledged.
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Listening(taken)
    except OSError as error:
        raise Unreachable(
            f"{host} port {port} cannot be listened on: {error.strerror or error}.", "--host and --port name another."
        ) from error


def serve(settings: Settings, listening: Listening, processes: int, certificate: str, key: str) -> None:
    """Serve until a signal ends it; what is being answered then is answered first."""
    connect(settings.store_url).dispose()
    os.environ[_SETTINGS] = json.dumps(asdict(settings))
    config = configured(processes, certificate, key)
    listening.socket.set_inheritable(True)
    if processes > 1:
        os.environ[_SUPERVISOR] = str(os.getpid())
        Multiprocess(config, sockets=[listening.socket]).run()
    else:
        uvicorn.Server(config).run(sockets=[listening.socket])


def configured(processes: int, certificate: str = "", key: str = "") -> uvicorn.Config:
    """Return how the processes serve."""
    return uvicorn.Config(
        "reports.api.process:application",
        factory=True,
        workers=processes,
        access_log=False,
        log_level="warning",
        server_header=False,
        http="h11",  # as strict as the standard, also where another parser is installed
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
    )


def application() -> FastAPI:
    """Return the application of one process, by the settings that serve() left for it."""
    if supervisor := os.environ.get(_SUPERVISOR):
        end_with(int(supervisor))
    said = json.loads(os.environ[_SETTINGS])
    declared = {
        place: {name: Declared(**each) for name, each in services.items()}
        for place, services in said.pop("declared").items()
    }
    return create_app(Settings(**said, declared=declared))
