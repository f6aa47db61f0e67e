"""GET requests over one kept connection with TLS, which do not wait for each other: pipelined, by HTTP/1.1.

What a client has under way on one connection of HTTP/2 is held back together and let go together, and so it is here. It
is not HTTP/2 because an API server closes such a connection after each request of somebody who does not log in. The
certificate is not looked at: nothing secret is sent, and nothing counts but the time of the answer.
"""

import asyncio
import ssl
from collections import deque
from email.parser import BytesHeaderParser
from urllib.parse import urlsplit

from probes._connecting import connected
from runner.errors import Unreachable
from runner.targets import Target

__all__ = ["Kept"]


class Kept:
    """A connection from a target to a server, for the tasks of one event loop; make it with `open`."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.broken = ""
        self._url = url
        self._reader, self._writer = reader, writer
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, at: Target, url: str, patience: float) -> "Kept":
        """Connect from the target's own network, from a port that is known to be a probe's; raises Unreachable."""
        secured = ssl.create_default_context()
        secured.check_hostname, secured.verify_mode = False, ssl.CERT_NONE
        secured.set_alpn_protocols(["http/1.1"])
        fix = "See that the API server is there, and that no policy keeps the target from it."
        return cls(url, *await connected(at, url, 443, secured, patience, fix))

    async def get(self, path: str) -> int:
        """Return the status of the answer; raises Unreachable."""
        if self.broken:
            raise Unreachable(f"{self._url} did not answer {path}: {self.broken}.")
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        host = urlsplit(self._url).netloc
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: chaosctl\r\n\r\n".encode())
        return await answer

    def close(self) -> None:
        """Close the connection without waiting for what was not sent."""
        self._reading.cancel()
        self._writer.transport.abort()

    async def _read(self) -> None:
        reason = "the server closed the connection"
        try:
            while True:
                status = await _answer(self._reader)
                if self._waiting and not (first := self._waiting.popleft()).done():
                    first.set_result(status)
        except (OSError, ValueError, LookupError, asyncio.LimitOverrunError) as error:
            reason = f"{type(error).__name__}: {error}"
        except EOFError:
            pass
        finally:
            self._end(reason)

    def _end(self, reason: str) -> None:
        self.broken = reason
        for each in self._waiting:
            if not each.done():
                each.set_exception(Unreachable(f"{self._url} did not answer: {reason}."))


async def _answer(reader: asyncio.StreamReader) -> int:
    """Return the status of the next answer, after all of it has come."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    headers = BytesHeaderParser().parsebytes(rest)
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            await reader.readexactly(size + 2)
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
    else:
        await reader.readexactly(int(headers.get("Content-Length", 0)))
    return int(first.split()[1])
