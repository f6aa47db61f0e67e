"""Connecting from a target's own network, from a port that is known to be a probe's."""

import asyncio
import random
import socket
from contextlib import suppress

from runner.model import PROBE_PORTS
from runner.targets import Target

__all__ = ["connected"]


async def connected(at: Target, host: str, port: int) -> socket.socket:
    """Return a TCP connection, for the running event loop; raises OSError."""
    loop = asyncio.get_running_loop()
    family, kind, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))[0]
    connection = at.socket(family, kind)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for own in random.sample(PROBE_PORTS, len(PROBE_PORTS)):
            with suppress(OSError):
                connection.bind(("", own))
                break
        await loop.sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection
