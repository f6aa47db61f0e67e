"""An API server, asked from where a target is: requests of our own that measure what its clients see.

They are `GET /version` at a steady rate, whatever the answers take (an open loop), over one connection that is made
again where the server closes it. Nobody logs in: an answer that this is not allowed is an answer.
"""

import asyncio
from collections.abc import Sequence

from probes._asking import Asking
from probes._connecting import first
from probes._http import Kept
from probes._shown import Shown
from runner.errors import ChaosctlError, Unreachable
from runner.model import Look, clock
from runner.targets import Target

__all__ = ["Asker", "watch"]

_PATH = "/version"
_PATIENCE = 5.0
_SLOWEST_RATE, _FASTEST_RATE = 12.5, 50.0
_BUSY = 429
"""What a server answers that is too busy to answer: it and all that says of itself that it failed are no answers."""


def watch(at: Target, servers: Sequence[str], latency: float, share: float) -> "Asker":
    """Return the proof of api-latency: the look from a target that stays.

    `servers` are URLs, of which the first that can be reached is asked; `share` is the part of requests that is quicker
    than `latency` (seconds), 0 where every request is so much slower.
    """
    return Asker(at, servers, latency, share)


class Asker(Asking):
    """See runner.fault.Watcher."""

    def __init__(self, at: Target, servers: Sequence[str], latency: float, share: float) -> None:
        rate = min(_FASTEST_RATE, max(_SLOWEST_RATE, 10 / latency))
        shown = Shown("request", "The API server", latency, share, 0.0, self._assert_alive)
        super().__init__("API requests", rate, shown)
        self._at, self._servers = at, servers
        # A handshake that begins in a window waits for its end and for TCP's own timer, which doubles.
        self._reconnecting = _PATIENCE + 8 * latency
        self._url = ""
        self._kept: Kept | None = None
        self._failed, self._lost = 0, ""

    def look(self, before: Look | None) -> Look:
        """Return what requests that begin now see."""
        if before is not None:
            return self._shown.now(clock())
        return self._shown.before(clock(), {"server": self._url}, f"; asked at {self._url}")

    def achieved(self, since: float, until: float) -> Look:
        """Return the quantiles of requests over the whole fault: PRESENT where they are what was asked for."""
        more = f"; {self._failed} had no answer ({self._lost})" if self._failed else ""
        return self._shown.achieved(since, until, more, {"server": self._url, "unanswered": self._failed})

    def _assert_alive(self) -> None:
        if not self._thread.is_alive():
            raise Unreachable(f"{self._url} is not asked any more: {self._lost}.")

    async def _live(self) -> None:
        self._kept = await first(self._servers, self._opened, Unreachable("No address of an API server is known."))
        self._connecting = asyncio.Lock()
        self._ready.set_result(None)
        await self._ask(lambda _: [self._request()])
        self._kept.close()

    async def _opened(self, url: str) -> Kept:
        self._url = url
        return await Kept.open(self._at, url, _PATIENCE)

    async def _request(self) -> None:
        requests, answered = self._shown.requests, False
        begun = requests.begin()
        try:
            status = await (await self._connection()).get(_PATH)
            answered = status < 500 and status != _BUSY
            if not answered:
                self._lost = f"status {status}"
        except ChaosctlError as error:
            self._lost = error.message.rstrip(".")
        finally:
            self._failed += not answered
            requests.end(begun, answered=answered)

    async def _connection(self) -> Kept:
        """Return the connection, made again by whoever first finds it broken."""
        assert self._kept  # noqa: S101 - nobody asks before it is there
        if self._kept.broken:
            async with self._connecting:
                if self._kept.broken:
                    self._kept.close()
                    self._kept = await Kept.open(self._at, self._url, self._reconnecting)
        return self._kept
