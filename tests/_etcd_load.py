"""Writes to etcd at a steady rate whatever the answers take, by Google's gRPC client; every tenth request is a read.

Usage: python -m tests._etcd_load URL RATE [CA CERT KEY]. It says when it is
connected, goes on until its input ends, and then prints each request
that was answered as JSON: when it began, in seconds since the epoch, how long it took, and whether it was a read.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc

WRITE = b"\x0a\x05/load\x12\x05value"
READ = b"\x0a\x05/load"


def main(url: str, rate: float, *files: str) -> None:
    """Drive etcd until the input ends."""
    parts = urlsplit(url)
    if files:
        authority, certificate, key = (Path(file).read_bytes() for file in files)
        secured = grpc.ssl_channel_credentials(authority, key, certificate)
        channel = grpc.secure_channel(parts.netloc, secured)
    else:
        channel = grpc.insecure_channel(parts.netloc)
    put: Any = channel.unary_unary("/etcdserverpb.KV/Put")
    get: Any = channel.unary_unary("/etcdserverpb.KV/Range")
    put(WRITE, wait_for_ready=True, timeout=60)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    answered: list[tuple[float, float, bool]] = []
    failed: list[str] = []
    ended = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    started, number = time.time(), 0
    while not ended.wait(max(0.0, started + number / rate - time.time())):
        number += 1
        read, begun = number % 10 == 0, time.time()

        def done(call: Any, begun: float = begun, read: bool = read) -> None:
            if error := call.exception():
                failed.append(str(error))
            else:
                answered.append((begun, time.time() - begun, read))

        (get if read else put).future(READ if read else WRITE).add_done_callback(done)
    limit = time.time() + 20
    while len(answered) + len(failed) < number and time.time() < limit:
        time.sleep(0.05)
    json.dump({"answered": answered, "failed": failed, "made": number}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), *sys.argv[3:])
