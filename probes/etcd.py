"""etcd, asked from where a target is: a writer of our own that measures what its clients see.

It writes one key below /chaosctl/probe/ at a steady rate, whatever the answers take (an open loop), over one
connection; every tenth request is a quorum read. The key has a lease, so that it goes away by itself.
"""

import asyncio
import secrets
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from probes._grpc import Channel, bytes_field, fields, number_field
from probes._latencies import Latencies, quantile, told
from runner.errors import Unreachable
from runner.model import Look, Sight, clock, format_duration
from runner.targets import Target

__all__ = ["Writer", "watch"]

_PATIENCE, _STEADY = 5.0, 15.0
_FIRST = 20
_AGAIN = 10
_PAUSE = 0.02
_SEEN = 0.9
_NEAR = 0.1
_LEASE, _KEEP_EVERY = 60, 20.0
_SLOWEST_RATE, _FASTEST_RATE = 20.0, 100.0


def watch(
    at: Target, endpoints: Sequence[str], latency: float, share: float, jitter: float, files: Mapping[str, str]
) -> "Writer":
    """Return the proof of etcd-latency: the look from a target that stays.

    `share` is the part of writes that are quicker than `latency`, 0 where every request is so much slower, give or take
    `jitter` (both in seconds). `files` names `ca_file`, `cert_file` and `key_file` for https.
    """
    return Writer(at, endpoints, latency, share, jitter, files)


class Writer:
    """See runner.fault.Watcher; the writer is a thread with an event loop of its own."""

    def __init__(
        self,
        at: Target,
        endpoints: Sequence[str],
        latency: float,
        share: float,
        jitter: float,
        files: Mapping[str, str],
    ) -> None:
        self._at, self._endpoints, self._files = at, endpoints, files
        self._latency, self._share, self._jitter = latency, share, jitter
        self._usual = 0.0
        self._rate = min(_FASTEST_RATE, max(_SLOWEST_RATE, 20 / latency))
        self._writes, self._reads = Latencies(), Latencies()
        self._key = f"/chaosctl/probe/{secrets.token_hex(4)}".encode()
        self._about: Mapping[str, Any] = {}
        self._lost = ""
        self._stop = threading.Event()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True, name="etcd writer")

    def open(self) -> None:
        """Connect and begin to write; raises Unreachable."""
        self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """End, and remove the key."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return how long writes took that began between two moments."""
        return self._writes.between(since, until)

    def look(self, before: Look | None) -> Look:
        """Return what writes that begin now see.

        ABSENT where the next ten take less than half the latency, PRESENT where one takes that long, or, where every
        request is to be slower, most of them.
        """
        return self._first(clock()) if before is None else self._again(clock())

    def achieved(self, since: float, until: float) -> Look:
        """Return the quantiles of writes and reads over the whole fault: PRESENT where they are what was asked for."""
        self._assert_alive()
        writes, reads = self._writes.between(since, until), self._reads.between(since, until)
        if not writes:
            raise Unreachable("etcd was asked for nothing while the fault acted.")
        found = quantile(writes, self._share or 0.5)
        off = abs(found - self._usual - self._latency)
        near = off <= max(_NEAR * self._latency, 1 / _SLOWEST_RATE / 2) + self._jitter
        name, more = (f"P{100 * self._share:g}", "") if self._share else ("P50", " more than before")
        now = self._call(_about)
        stayed = now["leader"] == self._about["leader"] and now["term"] == self._about["term"]
        detail = (
            f"{name} of writes {format_duration(found)}, asked for {format_duration(self._latency)}{more}; "
            f"{told(writes)}{f'; reads {told(reads)}' if reads else ''}; the leader {'stayed' if stayed else 'changed'}"
        )
        evidence = {
            "achieved": found - self._usual,
            "writes": _figures(writes),
            "reads": _figures(reads),
            "leader_stayed": stayed,
        }
        return Look(since, clock(), Sight.PRESENT if near else Sight.UNCLEAR, detail, evidence)

    def _first(self, asked: float) -> Look:
        if self._about.get("quorum") is False:
            return Look(asked, clock(), Sight.UNCLEAR, "etcd has no quorum: no write is answered", self._about)
        limit = asked + _STEADY
        writes = self._after(asked, _FIRST, _PATIENCE)
        while (slow := quantile(writes, 0.9)) >= self._latency / 2 and clock() < limit:
            writes = self._after(clock(), _FIRST, _PATIENCE)
        evidence = {**self._about, "writes": _figures(writes)}
        if slow >= self._latency / 2:
            detail = f"writes take {format_duration(slow)} (P90) even without the fault"
            return Look(asked, clock(), Sight.UNCLEAR, detail, evidence)
        if not self._share:
            self._usual = quantile(writes, 0.5)
        members = f"{self._about['answering']} of {self._about['members']} members answer"
        return Look(asked, clock(), Sight.ABSENT, f"writes: {told(writes)}; {members}", evidence)

    def _again(self, asked: float) -> Look:
        most = 0.5 if self._share == 0 else 1.0
        writes = self._after(asked, _AGAIN, 2 * self._latency + 1, _SEEN * self._latency)
        slow = quantile(writes, most)
        evidence = {"slowest": round(max(writes), 4), "writes": len(writes)}
        if slow >= _SEEN * self._latency:
            detail = f"a write takes {format_duration(max(writes))} or longer"
            return Look(asked, clock(), Sight.PRESENT, detail, evidence)
        if max(writes) < self._latency / 2:
            detail = f"{len(writes)} writes in a row take {format_duration(max(writes))} at most"
            return Look(asked, clock(), Sight.ABSENT, detail, evidence)
        detail = f"writes take {format_duration(max(writes))}: neither as before nor as asked for"
        return Look(asked, clock(), Sight.UNCLEAR, detail, evidence)

    def _after(self, asked: float, number: int, patience: float, enough: float = float("inf")) -> list[float]:
        """Return the first writes from a moment on: so many, and all answered, or one that waits long enough."""
        limit = clock() + patience
        while clock() < limit:
            self._assert_alive()
            writes, waiting = self._writes.first(asked, number)
            if (len(writes) == number and not waiting) or (writes and max(writes) >= enough and self._share):
                return writes
            threading.Event().wait(_PAUSE)
        if not (writes := self._writes.first(asked, number)[0]):
            raise Unreachable(f"etcd was not asked for anything within {format_duration(patience)}.")
        return writes

    def _assert_alive(self) -> None:
        if self._lost:
            raise Unreachable(self._lost, "See that etcd goes on, and whether its log says why.")

    def _call(self, work: Callable[["Channel"], Coroutine[Any, Any, Mapping[str, Any]]]) -> Mapping[str, Any]:
        try:
            return asyncio.run_coroutine_threadsafe(work(self._channel), self._loop).result(_PATIENCE)
        except TimeoutError as error:
            raise Unreachable(f"{self._endpoints[0]} did not say who leads it.") from error

    async def _live(self) -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._channel = await self._connected()
            about = await _about(self._channel)
            self._about = {**about, "answering": await self._answering(about), "quorum": True}
            lease = await self._leased()
        except (Unreachable, TimeoutError) as error:
            if not self._about:
                self._ready.set_exception(error)
                return
            self._about = {**self._about, "quorum": False}
            self._lost = str(error) or "etcd has no quorum: no write is answered."
            self._ready.set_result(None)
            return
        self._ready.set_result(None)
        try:
            await self._write(lease)
            async with asyncio.timeout(_PATIENCE):
                await self._channel.call("/etcdserverpb.Lease/LeaseRevoke", number_field(1, lease))
        except (Unreachable, TimeoutError) as error:
            self._lost = self._lost or str(error)
        finally:
            await self._channel.close()

    async def _connected(self) -> Channel:
        """Return a connection to the first endpoint that can be had."""
        failed = Unreachable("No endpoint of etcd is known.", "Name one: --endpoint=http://127.0.0.1:2379")
        for endpoint in self._endpoints:
            try:
                return await Channel.open(self._at, endpoint, self._secured(endpoint), _PATIENCE)
            except Unreachable as error:
                failed = error
        raise failed

    def _secured(self, endpoint: str) -> ssl.SSLContext | None:
        if not endpoint.startswith("https"):
            return None
        try:
            context = ssl.create_default_context(cafile=self._files.get("ca_file") or None)
            context.set_alpn_protocols(["h2"])
            if cert := self._files.get("cert_file"):
                context.load_cert_chain(cert, self._files.get("key_file") or None)
        except OSError as error:
            raise Unreachable(f"The certificates for {endpoint} cannot be used: {error}.") from error
        return context

    async def _answering(self, about: Mapping[str, Any]) -> int:
        """Return how many of the members answer; the one that we are connected to does."""
        if about["members"] == 1:
            return 1
        found = 0
        for url in about["client_urls"]:
            with suppress(Unreachable, TimeoutError):
                channel = await Channel.open(self._at, url, self._secured(url), 1.0)
                async with asyncio.timeout(1.0):
                    await channel.call("/etcdserverpb.Maintenance/Status", b"")
                    found += 1
                await channel.close()
        return found

    async def _leased(self) -> int:
        async with asyncio.timeout(_PATIENCE):
            answer = await self._channel.call("/etcdserverpb.Lease/LeaseGrant", number_field(1, _LEASE))
        return next(value for number, value in fields(answer) if number == 2 and isinstance(value, int))

    async def _write(self, lease: int) -> None:
        tasks: set[asyncio.Task[None]] = set()
        begun, number, kept = clock(), 0, clock()
        while not self._stop.is_set():
            number += 1
            doing = [self._request(number, lease)]
            if clock() > kept + _KEEP_EVERY:
                kept = clock()
                doing.append(self._keep(lease))
            for task in map(asyncio.create_task, doing):
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, begun + number / self._rate - clock()))

    async def _keep(self, lease: int) -> None:
        """Let the lease go on: a stream of one message each way."""
        with suppress(Unreachable):  # the writes say it, where it is lost
            await self._channel.call("/etcdserverpb.Lease/LeaseKeepAlive", number_field(1, lease))

    async def _request(self, number: int, lease: int) -> None:
        kind, answered = (self._reads if number % 10 == 0 else self._writes), False
        begun = kind.begin()
        try:
            if kind is self._reads:
                await self._channel.call("/etcdserverpb.KV/Range", bytes_field(1, self._key))
            else:
                value = bytes_field(2, str(number).encode()) + number_field(3, lease)
                await self._channel.call("/etcdserverpb.KV/Put", bytes_field(1, self._key) + value)
            answered = True
        except Unreachable as error:
            self._lost = self._lost or error.message
        finally:
            kind.end(begun, answered=answered)


async def _about(channel: Channel) -> Mapping[str, Any]:
    """Return who leads, and who the members are, as one member knows it."""
    async with asyncio.timeout(_PATIENCE):
        status = dict(fields(await channel.call("/etcdserverpb.Maintenance/Status", b"")))
        listed = await channel.call("/etcdserverpb.Cluster/MemberList", b"")
    members = [list(fields(value)) for number, value in fields(listed) if number == 2 and isinstance(value, bytes)]
    urls = [[(number, str(url, "utf-8")) for number, url in member if isinstance(url, bytes)] for member in members]
    peers = [urlsplit(url).port or 2380 for member in urls for number, url in member if number == 3]
    return {
        "leader": status.get(4, 0),
        "term": status.get(6, 0),
        "members": len(members),
        "peer_ports": sorted(set(peers)),
        "client_urls": [next((url for number, url in member if number == 4), "") for member in urls],
    }


def _figures(measured: Sequence[float]) -> Mapping[str, float]:
    if not measured:
        return {"number": 0}
    shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}
    figures = {name: round(quantile(measured, share), 4) for name, share in shares.items()}
    return {"number": len(measured), **figures, "slowest": round(max(measured), 4)}
