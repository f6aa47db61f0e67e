"""An HTTPS server of a test's own, in a namespace, also behind the address of a Service as a node's kernel has it."""

import secrets
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.targets.netns import Netns
from tests._network import OURS

SERVER, CLIENT, SERVICE = "10.98.8.1", "10.98.8.2", "10.97.0.1"
NEWER = "fd98:8::1"
PORT, OTHER = 6443, 2379
"""Where the server listens; what is at the other port no fault of the server's may touch."""

SERVING = sys.executable, str(Path(__file__).with_name("_https_server.py")), str(PORT)

_PATIENCE = 120.0
"""What is dropped in windows one after the other is sent again by TCP's own timer, which doubles each time."""

_NAT = f"""
table ip service {{
  chain before {{
    type nat hook prerouting priority -100;
    ip daddr {SERVICE} tcp dport 443 dnat to {SERVER}:{PORT}
  }}
}}
"""


@dataclass(frozen=True)
class Https:
    """A server, and the namespace that its clients are in."""

    client: Netns
    server: Netns
    by_service: str = f"https://{SERVICE}:443"
    by_itself: str = f"https://{SERVER}:{PORT}"
    newer: str = f"https://[{NEWER}]:{PORT}"

    def dial(self, host: str, port: int, priority: int = 0) -> ssl.SSLSocket:
        """Return a connection of a client's."""
        return dial(self.client, host, port, priority)


def dial(at: Netns, host: str, port: int, priority: int = 0) -> ssl.SSLSocket:
    """Return a connection from a namespace to a server, whoever that is."""
    plain = at.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, priority)
    plain.settimeout(_PATIENCE)
    plain.connect((host, port))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    return trusting.wrap_socket(plain)


def ask(connection: ssl.SSLSocket, path: str = "/version") -> float:
    """Ask once by a connection, and return how many seconds the answer took."""
    begun = time.monotonic()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = b""
    while b'"major"' not in answer:
        part = connection.recv(65536)
        assert part, f"it was closed after {answer!r}"
        answer += part
    return time.monotonic() - begun


@contextmanager
def https(*options: str) -> Iterator[Https]:
    """Start the server in a namespace; its clients are in another one behind a wire."""
    mark = f"{OURS}-{secrets.token_hex(3)}"
    server, client = (Netns(f"ct-{mark}-{role}") for role in ("api", "asks"))
    process = None
    try:
        for at in (server, client):
            _ip("netns", "add", at.namespace)
            _ip("-n", at.namespace, "link", "set", "lo", "up")
        peer = ["peer", "name", "wire", "netns", client.namespace]
        _ip("-n", server.namespace, "link", "add", "wire", "type", "veth", *peer)
        for at in (server, client):
            _ip("-n", at.namespace, "link", "set", "wire", "up")
        for at, older, newer in ((server, SERVER, NEWER), (client, CLIENT, "fd98:8::2")):
            _ip("-n", at.namespace, "address", "add", f"{older}/24", "dev", "wire")
            _ip("-n", at.namespace, "address", "add", f"{newer}/64", "dev", "wire", "nodad")
        _ip("-n", client.namespace, "route", "add", f"{SERVICE}/32", "via", SERVER)
        inside = ["ip", "netns", "exec", server.namespace]
        subprocess.run([*inside, "nft", "-f", "-"], input=_NAT, text=True, check=True)
        process = subprocess.Popen(
            [*inside, *SERVING, str(OTHER), *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stdout.readline() == "listening\n"
        yield Https(client, server)
    finally:
        if process:
            process.terminate()
            process.wait()
        for at in (server, client):
            subprocess.run(["ip", "netns", "del", at.namespace], capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
