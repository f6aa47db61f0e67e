"""etcd, asked from where a target is: a writer of our own that measures what its clients see.

It writes one key below /chaosctl/probe/ at a steady rate, whatever the answers take (an open loop), over one
connection; every tenth request is a quorum read. The key has a lease, so that it goes away by itself.
"""

import asyncio
import secrets
import ssl
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from probes._asking import Asking
from probes._connecting import first
from probes._grpc import Channel, bytes_field, fields, number_field
from probes._latencies import Latencies, told
from probes._shown import Shown, figures
from runner.errors import Unreachable
from runner.model import Look, Sight, clock
from runner.targets import Target

__all__ = ["Writer", "watch"]

_PATIENCE = 5.0
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


class Writer(Asking):
    """See runner.fault.Watcher; at its end the key is removed."""

    def __init__(
        self,
        at: Target,
        endpoints: Sequence[str],
        latency: float,
        share: float,
        jitter: float,
        files: Mapping[str, str],
    ) -> None:
        rate = min(_FASTEST_RATE, max(_SLOWEST_RATE, 20 / latency))
        super().__init__("etcd writer", rate, Shown("write", "etcd", latency, share, jitter, self._assert_alive))
        self._at, self._endpoints, self._files = at, endpoints, files
        self._reads = Latencies()
        self._key = f"/chaosctl/probe/{secrets.token_hex(4)}".encode()
        self._about: Mapping[str, Any] = {}
        self._lost = ""

    def look(self, before: Look | None) -> Look:
        """Return what writes that begin now see."""
        if before is not None:
            return self._shown.now(clock())
        if self._about.get("quorum") is False:
            return Look(clock(), clock(), Sight.UNCLEAR, "etcd has no quorum: no write is answered", self._about)
        members = f"; {self._about['answering']} of {self._about['members']} members answer"
        return self._shown.before(clock(), self._about, members)

    def achieved(self, since: float, until: float) -> Look:
        """Return the quantiles of writes and reads over the whole fault: PRESENT where they are what was asked for."""
        self._assert_alive()
        reads = self._reads.between(since, until)
        now = self._call(_about)
        stayed = now["leader"] == self._about["leader"] and now["term"] == self._about["term"]
        more = f"{f'; reads {told(reads)}' if reads else ''}; the leader {'stayed' if stayed else 'changed'}"
        return self._shown.achieved(since, until, more, {"reads": figures(reads), "leader_stayed": stayed})

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
            none = Unreachable("No endpoint of etcd is known.", "Name one: --endpoint=http://127.0.0.1:2379")
            self._channel = await first(self._endpoints, self._opened, none)
            about = await _about(self._channel)
            self._about = {**about, "answering": await self._answering(about), "quorum": True}
            lease = await self._leased()
        except (Unreachable, TimeoutError) as error:
            if not self._about:
                raise
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

    async def _opened(self, endpoint: str) -> Channel:
        return await Channel.open(self._at, endpoint, self._secured(endpoint), _PATIENCE)

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
        kept = clock()

        def due(number: int) -> Iterator[Coroutine[Any, Any, None]]:
            nonlocal kept
            yield self._request(number, lease)
            if clock() > kept + _KEEP_EVERY:
                kept = clock()
                yield self._keep(lease)

        await self._ask(due)

    async def _keep(self, lease: int) -> None:
        """Let the lease go on: a stream of one message each way."""
        with suppress(Unreachable):  # the writes say it, where it is lost
            await self._channel.call("/etcdserverpb.Lease/LeaseKeepAlive", number_field(1, lease))

    async def _request(self, number: int, lease: int) -> None:
        kind, answered = (self._reads if number % 10 == 0 else self._shown.requests), False
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
