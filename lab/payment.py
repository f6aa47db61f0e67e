"""The payment service of the lab, in five makes; three differ in how they find redis-cluster.

    always   resolves the name for every payment: while it does not resolve, payments fail (payment-api)
    once     resolves it until it worked once, and keeps its connections (payment-pooled)
    stale    resolves it for every payment, and falls back to the last address it got (payment-stale)
    ledger   needs no redis-cluster: a payment is made once etcd has it (payment-ledger)
    object   a payment is made once the API server of the cluster it runs in has it (payment-ledger there)

GET /pay answers 200 or 503, GET /metrics what Prometheus scrapes.
Usage: python -m lab.payment always|once|stale|object, or python -m lab.payment ledger ADDRESS
"""

import json
import os
import queue
import secrets
import socket
import socketserver
import ssl
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Histogram, disable_created_metrics, generate_latest

from lab.resp import exchange

__all__ = ["main"]

# The budget of one payment, and the part of it for resolving, in seconds. A lookup that takes longer runs on in its
# thread; the payment does not wait for it.
BUDGET = 1.0
RESOLVING = 0.5
NAME, PORT = "redis-cluster", 6379

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MERGE = "application/merge-patch+json"

Pay = Callable[[], None]
Resolve = Callable[[], str]

_lookups = ThreadPoolExecutor(max_workers=64, thread_name_prefix="lookup")


def resolve() -> str:
    """Return the address of redis-cluster as the system's resolver gives it now; raises OSError."""
    lookup = _lookups.submit(socket.getaddrinfo, NAME, PORT, type=socket.SOCK_STREAM)
    try:
        return str(lookup.result(RESOLVING)[0][4][0])
    finally:
        lookup.cancel()


def stale() -> Resolve:
    """Return a resolver that falls back to the last address it got."""
    last = ""

    def resolve_or_remember() -> str:
        nonlocal last
        try:
            last = resolve()
        except OSError:
            if not last:
                raise
        return last

    return resolve_or_remember


def connecting(address_of: Resolve) -> Pay:
    """Return a payment that resolves and connects each time."""

    def pay() -> None:
        started = time.monotonic()
        address = address_of()
        with socket.create_connection((address, PORT), started + BUDGET - time.monotonic()) as connection:
            exchange(connection, "INCR payments")

    return pay


def pooled() -> Pay:
    """Return a payment over kept connections; a broken one costs its payment and is replaced, without resolving."""
    idle: queue.LifoQueue[socket.socket] = queue.LifoQueue()
    known: list[str] = []

    def connection() -> socket.socket:
        with suppress(queue.Empty):
            return idle.get_nowait()
        if not known:
            known.append(resolve())
        return socket.create_connection((known[0], PORT), BUDGET - RESOLVING)

    def pay() -> None:
        taken = connection()
        try:
            exchange(taken, "INCR payments")
        except OSError:
            taken.close()
            raise
        idle.put(taken)

    return pay


def ledger(address: str) -> Pay:
    """Return a payment that is written to etcd, over kept connections to the gateway that etcd has for HTTP."""

    def write(connection: HTTPConnection) -> None:
        entry = {"key": "L3BheW1lbnRz", "value": secrets.token_hex(8)}  # base64 of /payments, and of something
        connection.request("POST", "/v3/kv/put", json.dumps(entry))

    return written(lambda: HTTPConnection(address, 2379, timeout=BUDGET), write)


def kept_object() -> Pay:
    """Return a payment that changes an object of the cluster, as the service account of the pod."""
    authority = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    server = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    path = f"/api/v1/namespaces/{(ACCOUNT / 'namespace').read_text()}/configmaps/payments"

    def write(connection: HTTPConnection) -> None:
        change = json.dumps({"data": {"last": secrets.token_hex(8)}})
        told = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}", "Content-Type": MERGE}
        connection.request("PATCH", path, change, told)

    return written(lambda: HTTPSConnection(*server, timeout=BUDGET, context=authority), write)


def written(connect: Callable[[], HTTPConnection], write: Callable[[HTTPConnection], None]) -> Pay:
    """Return a payment that is made once a server has taken it, over kept connections."""
    idle: queue.LifoQueue[HTTPConnection] = queue.LifoQueue()

    def pay() -> None:
        try:
            taken = idle.get_nowait()
        except queue.Empty:
            taken = connect()
        try:
            write(taken)
            answer = taken.getresponse()
            answer.read()
        except (OSError, HTTPException) as error:
            taken.close()
            raise ConnectionError(f"it was not taken: {error}") from error
        if answer.status != 200:
            raise ConnectionError(f"it was answered with {answer.status}")
        idle.put(taken)

    return pay


MAKES: dict[str, Callable[..., Pay]] = {
    "always": lambda: connecting(resolve),
    "once": pooled,
    "stale": lambda: connecting(stale()),
    "ledger": ledger,
    "object": kept_object,
}


class Handler(BaseHTTPRequestHandler):
    """Answers /pay and /metrics; the two writes of an answer leave as one segment."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: "Server"
    requests = Counter("payment_requests", "Payments by the code they were answered with.", ["code"])
    duration = Histogram("payment_request_duration_seconds", "How long a payment took.")

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/pay":
            self._answer(self._pay(), b"")
        elif self.path == "/metrics":
            self._answer(200, generate_latest())
        else:
            self._answer(404, b"There is /pay and /metrics.\n")

    def log_message(self, *_: Any) -> None:
        """Keep quiet: 40 requests a second are counted, not logged."""

    def _pay(self) -> int:
        code = 200
        with self.duration.time():
            try:
                self.server.pay()
            except OSError:
                code = 503
        self.requests.labels(code).inc()
        return code

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingTCPServer):
    """Not http.server's own, which resolves its own name before it listens."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, pay: Pay) -> None:
        super().__init__(("::", 8080), Handler)
        self.pay = pay


def main(make: str, *arguments: str) -> None:
    """Serve payments of that make on port 8080 until ended."""
    disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no annotation there
    for code in (200, 503):
        Handler.requests.labels(code)
    with Server(MAKES[make](*arguments)) as server:
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
