"""Writes with acknowledgement through a fault, and reads everything back: the invariant of whatever keeps data.

A writer of our own appends 20 names a second to a list of Redis, each under its own, and remembers those that were
acknowledged. Once a second it reads the whole list: a name that was acknowledged and is not there is lost. Writes that
were not acknowledged are nobody's promise and count neither way. While the list cannot be read nothing is said of that
time; it is judged once the list can be read again.
"""

import math
import secrets
import threading
from collections.abc import Mapping
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from runner.errors import Unreachable, UsageError
from runner.model import Outcome, Sample, clock, iso

__all__ = ["Writer", "follow", "lost"]

_PAUSE = 0.05
_PATIENCE = 1.0
_LAST_SECONDS = 3600
_FEW = 20
_running: "dict[str, Writer]" = {}


def lost(url: str) -> int:
    """Return how many acknowledged writes are gone: of those of the run, or outside of one of a few made now.

    `url` is `redis://host:port/database`, `rediss://` over TLS, `unix://` a socket. Raises Unreachable where Redis does
    not answer, UsageError for another URL.
    """
    if running := _running.get(url):
        return len(running.gone())
    writer = Writer(url)
    try:
        for _ in range(_FEW):
            writer.write()
        return len(writer.gone())
    finally:
        writer.remove()


def follow(func: str, arguments: Mapping[str, Any]) -> "Writer | None":
    """Return a writer that has begun, as the history behind `lost`; None for another name."""
    if func != "lost":
        return None
    writer = _running[arguments["url"]] = Writer(arguments["url"])
    writer.start()
    return writer


class Writer:
    """See runner.sampler.Source: a sample says how many writes that were acknowledged until then are gone."""

    interval = 1.0
    resolution = 1.0
    settling = 0.0

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis = _client(url)
        self.query = f"acknowledged writes to {_place(self._redis)}"
        self._list = f"chaosctl:acked-writes:{secrets.token_hex(8)}"
        self._acknowledged: list[tuple[float, str]] = []
        self._doubtful = math.inf
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write_on, daemon=True)

    def start(self) -> None:
        """Write until closed."""
        self._thread.start()

    def write(self) -> None:
        """Write one name, and remember it once Redis has said that it has it; raises Unreachable."""
        name = secrets.token_hex(8)
        self._asked("RPUSH", self._list, name)
        self._acknowledged.append((clock(), name))

    def gone(self) -> list[float]:
        """Return when the writes were acknowledged that are not there any more; raises Unreachable."""
        promised = list(self._acknowledged)
        there = set(self._asked("LRANGE", self._list, 0, -1))
        return [at for at, name in promised if name not in there]

    def samples(self, start: float, end: float) -> list[Sample]:
        """Return a sample for each second since the first write, up to now; none while the list cannot be read.

        A loss shows from the moment on at which it was seen, or at which the list could not be read any more: it is not
        dated back to before a fault that struck since the last look.
        """
        if end - start < self.interval or not self._acknowledged:
            return []
        try:
            gone = self.gone()
        except Unreachable:
            self._doubtful = min(self._doubtful, clock())
            return []
        read = clock()
        first = max(start, self._acknowledged[0][0])
        moments = [first + self.interval * number for number in range(1, int((end - first) / self.interval) + 1)]
        if gone:
            self._doubtful = min(self._doubtful, read)
            moments = [at for at in moments if at >= self._doubtful] or [read]
        else:
            self._doubtful = math.inf
        return [self._sample(at, [each for each in gone if each <= at]) for at in moments]

    def close(self) -> None:
        """End the writer, and take its list away."""
        self._stop.set()
        self._thread.join()
        if _running.get(self.url) is self:
            del _running[self.url]
        self.remove()

    def remove(self) -> None:
        """Take the list away; where Redis does not answer, it goes by itself within the hour."""
        try:
            self._asked("DEL", self._list)
        except Unreachable:
            pass
        finally:
            self._redis.close()

    def _sample(self, at: float, gone: list[float]) -> Sample:
        if not gone:
            return Sample(at, Outcome.GOOD, 0)
        every = sum(each <= at for each, _ in self._acknowledged)
        told = f"{len(gone):,} of {every:,} acknowledged writes are gone, the first was acknowledged at {iso(gone[0])}"
        return Sample(at, Outcome.GOOD, len(gone), told)

    def _write_on(self) -> None:
        number = 0
        while not self._stop.wait(_PAUSE):
            try:
                self.write()
                if number % _LAST_SECONDS == 0:
                    self._asked("EXPIRE", self._list, _LAST_SECONDS)
                number += 1
            except Unreachable:
                continue

    def _asked(self, *command: Any) -> Any:
        try:
            return self._redis.execute_command(*command)  # type: ignore[no-untyped-call] # it is without annotations
        except redis.RedisError as error:
            raise Unreachable(
                f"{self.query}: {command[0]} was not answered: {error}.",
                "See that Redis runs, and that the URL is right.",
            ) from error


def _client(url: str) -> "redis.Redis":
    """Return a client that neither repeats a write by itself nor waits for long."""
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise UsageError(
            f"{url!r} is not the URL of a Redis: {error}.", "Write redis://host:6379, rediss:// or unix:///path."
        ) from error


def _place(client: "redis.Redis") -> str:
    """Return where it is, without user and password."""
    said = client.connection_pool.connection_kwargs
    return str(said.get("path") or f"{said.get('host')}:{said.get('port')}")
