"""Connecting from a target's own network, from a port that is known to be a probe's."""

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from runner.errors import Unreachable
from runner.model import PROBE_PORTS
from runner.targets import Target

__all__ = ["Streams", "connected", "first"]

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_T = TypeVar("_T")


async def connected(
    at: Target, url: str, port: int, secured: ssl.SSLContext | None, patience: float, fix: str
) -> Streams:
    """Connect to a URL, which names another port than the usual one or none.

    Takes `patience` seconds at most; raises Unreachable, which says how to `fix` it.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(patience):
            connection = await _connection(at, host, parts.port or port)
            name = host if secured else None
            return await asyncio.open_connection(sock=connection, ssl=secured, server_hostname=name)
    except (OSError, TimeoutError) as error:
        raise Unreachable(f"{url} cannot be reached from {at.name}: {str(error) or 'no answer'}.", fix) from error


async def first(urls: Iterable[str], opened: Callable[[str], Awaitable[_T]], none: Unreachable) -> _T:
    """Return what is opened at the first URL that can be reached; raises why the last cannot, `none` without any."""
    failed = none
    for url in urls:
        try:
            return await opened(url)
        except Unreachable as error:
            failed = error
    raise failed


async def _connection(at: Target, host: str, port: int) -> socket.socket:
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
