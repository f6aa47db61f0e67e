"""A server that answers every GET over TLS, kept or pipelined, as an API server does; run in a namespace.

Usage: python _https_server.py PORT... [closing|chunked|refusing|busy]
"""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_BODY = b'{"major": "v1"}'
_STATUS = {"refusing": 401, "busy": 429}


class Server(ThreadingHTTPServer):
    """Both families at once; a handshake is for the connection's own thread."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, how: str, secured: ssl.SSLContext) -> None:
        self.how = how
        self._secured = secured
        super().__init__(("::", port), Handler)

    def server_bind(self) -> None:
        """Not http.server's own, which resolves its own name."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Return the next connection."""
        plain, address = self.socket.accept()
        return self._secured.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients go as they like."""


class Handler(BaseHTTPRequestHandler):
    """Answers all there is to be asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def do_GET(self) -> None:
        """Answer one request."""
        how = self.server.how
        self.send_response(_STATUS.get(how, 200))
        self.send_header("Content-Type", "application/json")
        if how == "closing":
            self.send_header("Connection", "close")
        if how == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(_BODY), _BODY))
            return
        self.send_header("Content-Length", str(len(_BODY)))
        self.end_headers()
        self.wfile.write(_BODY)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(*arguments: str) -> None:
    """Serve until ended."""
    *ports, how = arguments if not arguments[-1].isdigit() else (*arguments, "")
    secured = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as place:
        certificate, key = (str(Path(place) / name) for name in ("cert.pem", "key.pem"))
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        subprocess.run(
            ["openssl", "req", "-x509", *curve, "-subj", "/CN=api", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
        secured.load_cert_chain(certificate, key)
    serving = [Server(int(port), how, secured) for port in ports]
    threads = [threading.Thread(target=each.serve_forever) for each in serving]
    for thread in threads:
        thread.start()
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
