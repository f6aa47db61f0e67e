"""Exchanges of single packets from where a target is: a TCP connection, a datagram or an ICMP echo, each asked once.

Every request is one packet and every answer is one, so what happens to packets shows in them: that they are late, lost,
doubled or out of order. Each carries what chaosctl's own packets are known by (runner.model), so that a fault's
counters leave them out.
"""

import errno
import os
import selectors
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from probes._sockets import reset_when_closed
from runner.errors import Inconclusive, Missing
from runner.model import PROBE_ECHO_ID, PROBE_PORTS, clock
from runner.targets import Target

__all__ = ["BATCH", "Answer", "Way", "exchange"]

BATCH = 24
"""How many connections are open at once, at most: servers that serve few at a time go on serving others."""

_LONGEST_WAIT = 0.05
_FRAME = 14
_SEGMENTS_IN = 140
"""Where struct tcp_info counts the segments that came in (Linux 4.2)."""


@dataclass(frozen=True)
class Way:
    """One way to get an answer; `protocol` is tcp, udp or icmp, which has no port."""

    address: str
    protocol: str
    port: int = 0

    def __str__(self) -> str:
        if self.protocol == "icmp":
            return f"{self.address} by ICMP echo"
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port} over {self.protocol.upper()}"

    @property
    def family(self) -> socket.AddressFamily:
        """The address family."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    def length(self, size: int) -> int:
        """Return how long a request is on the wire, in bytes, with its frame; `size` is the payload of an echo."""
        network = 40 if self.family is socket.AF_INET6 else 20
        return _FRAME + network + {"tcp": 40, "udp": 8 + len(_question(0)), "icmp": 8 + size}[self.protocol]


@dataclass
class Answer:
    """What one request got: how long its answer took, in seconds, or None, and how often that came."""

    sent: float
    seconds: float | None = None
    copies: int = 0

    @property
    def came(self) -> float:
        """When it was answered, in seconds since the epoch."""
        return self.sent + (self.seconds or 0.0)

    def note(self, now: float) -> None:
        """Take an answer, the first or another copy of it."""
        self.copies += 1
        if self.seconds is None:
            self.seconds = now - self.sent


def exchange(
    at: Target, way: Way, requests: int, gap: float, patience: float, size: int = 56, linger: float = 0.0
) -> list[Answer]:
    """Return what so many requests get, sent `gap` seconds apart; each is waited for `patience` seconds.

    `size` is the payload of an echo in bytes. After the last answer, second copies are waited for `linger` seconds.
    """
    with _KINDS[way.protocol](at, way, requests, size) as talk:
        return talk.told(_asked(talk, requests, gap, patience, linger))


def _asked(talk: "_Talk", requests: int, gap: float, patience: float, linger: float) -> list[Answer]:
    answers: list[Answer] = []
    following, last = clock(), clock()
    while True:
        now = clock()
        if len(answers) < requests and now >= following:
            answers.append(Answer(now))
            talk.send(len(answers) - 1)
            following = now + gap
            continue
        waiting = [answer for answer in answers if answer.seconds is None and now < answer.sent + patience]
        if len(answers) == requests and not waiting and now >= last + linger:
            return answers
        until = min(_LONGEST_WAIT, following - now) if len(answers) < requests else _LONGEST_WAIT
        ends = [answer.sent + patience - now for answer in waiting] or [last + linger - now]
        for number in talk.receive(max(0.0, min(until, *ends))):
            last = clock()
            answers[number].note(last)


class _Talk(ABC):
    """The sockets of one exchange; what cannot be sent gets no answer."""

    def __init__(self, at: Target, way: Way, requests: int, size: int) -> None:
        self.way = way
        self.requests = requests
        self.token = os.urandom(8)
        self.selector = selectors.DefaultSelector()
        self.sockets = self.opened(at, requests, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.selector.close()
        for opened in self.sockets:
            opened.close()

    @abstractmethod
    def opened(self, at: Target, requests: int, size: int) -> list[socket.socket]:
        """Return the sockets, ready to send."""

    @abstractmethod
    def send(self, number: int) -> None:
        """Send the request of that number."""

    @abstractmethod
    def receive(self, seconds: float) -> Iterator[int]:
        """Wait at most so long, and yield the number of each answer that came."""

    def told(self, answers: list[Answer]) -> list[Answer]:
        """Return the answers with how often each came, where that is not seen as they come."""
        return answers


class _Connections(_Talk):
    """TCP connections: answered by being taken or refused. Taken ones are reset, which leaves nothing behind."""

    def opened(self, at: Target, requests: int, size: int) -> list[socket.socket]:  # noqa: ARG002 - a request has no payload
        ports = iter(PROBE_PORTS)
        return [self._opened(at, ports) for _ in range(requests)]

    def _opened(self, at: Target, ports: Iterator[int]) -> socket.socket:
        made = at.socket(self.way.family, socket.SOCK_STREAM)
        made.setblocking(False)
        reset_when_closed(made)
        _bind(made, ports, at)
        return made

    def send(self, number: int) -> None:
        connection = self.sockets[number]
        error = connection.connect_ex((self.way.address, self.way.port))
        if error in (0, errno.EINPROGRESS):
            self.selector.register(connection, selectors.EVENT_WRITE, number)

    def receive(self, seconds: float) -> Iterator[int]:
        for key, _ in self.selector.select(seconds):
            self.selector.unregister(key.fileobj)
            if self.sockets[key.data].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNREFUSED):
                yield key.data

    def told(self, answers: list[Answer]) -> list[Answer]:
        """Read how many segments came in: nothing was asked that more than one would answer."""
        for connection, answer in zip(self.sockets, answers, strict=True):
            state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            if answer.copies and len(state) >= _SEGMENTS_IN + 4:
                answer.copies = max(1, struct.unpack_from("I", state, _SEGMENTS_IN)[0])
        return answers


class _Datagrams(_Talk):
    """Datagrams over one socket: the questions are DNS queries for the root, which an echo service returns as well."""

    def opened(self, at: Target, requests: int, size: int) -> list[socket.socket]:  # noqa: ARG002 - the question is what it is
        made = at.socket(self.way.family, socket.SOCK_DGRAM)
        _bind(made, iter(PROBE_PORTS), at)
        return [self._connected(made, self.way.port)]

    def _connected(self, made: socket.socket, port: int) -> socket.socket:
        made.setblocking(False)
        with suppress(OSError):  # no way there: requests will get no answer
            made.connect((self.way.address, port))
        self.selector.register(made, selectors.EVENT_READ)
        return made

    def send(self, number: int) -> None:
        with suppress(OSError):
            self.sockets[0].send(self.request(number))

    def receive(self, seconds: float) -> Iterator[int]:
        if self.selector.select(seconds):
            while (number := self._received()) is not None:
                if 0 <= number < self.requests:
                    yield number

    def _received(self) -> int | None:
        """Return the number of the next answer, -1 for what is none, nothing where there is no more."""
        try:
            return self.answered(self.sockets[0].recv(65536))
        except BlockingIOError:
            return None
        except OSError:
            return -1

    def request(self, number: int) -> bytes:
        """Return one request; its number counts from the token, so that late answers to others are not taken for it."""
        return _question((int.from_bytes(self.token[:2]) + number) % 0x10000)

    def answered(self, packet: bytes) -> int:
        """Return the number of the request that a packet answers, or -1."""
        return (int.from_bytes(packet[:2]) - int.from_bytes(self.token[:2])) % 0x10000 if len(packet) >= 12 else -1


class _Echoes(_Datagrams):
    """ICMP echoes over a raw socket. It hears all echoes of the namespace, so each exchange has a token of its own."""

    def opened(self, at: Target, requests: int, size: int) -> list[socket.socket]:  # noqa: ARG002 - one socket serves all
        self.padding = bytes(max(0, size - len(self.token)))
        newer = self.way.family is socket.AF_INET6
        self.asking, self.answering = (128, 129) if newer else (8, 0)
        protocol = socket.IPPROTO_ICMPV6 if newer else socket.IPPROTO_ICMP
        try:
            return [self._connected(at.socket(self.way.family, socket.SOCK_RAW, protocol), 0)]
        except PermissionError as error:
            raise Missing(
                f"{at.name} may not send ICMP echoes: {error.strerror}.", "Run it as root (sudo), or with CAP_NET_RAW."
            ) from error

    def request(self, number: int) -> bytes:
        parts = self.asking, 0, PROBE_ECHO_ID, number
        payload = self.token + self.padding
        checksum = _checksum(struct.pack("!BBHHH", *parts[:2], 0, *parts[2:]) + payload)
        return struct.pack("!BBHHH", *parts[:2], checksum, *parts[2:]) + payload

    def answered(self, packet: bytes) -> int:
        message = packet if self.way.family is socket.AF_INET6 else packet[(packet[0] & 15) * 4 :]
        if len(message) < 16 or message[0] != self.answering or message[8:16] != self.token:
            return -1
        return int.from_bytes(message[6:8])


_KINDS: dict[str, type[_Talk]] = {"tcp": _Connections, "udp": _Datagrams, "icmp": _Echoes}


def _bind(made: socket.socket, ports: Iterator[int], at: Target) -> None:
    """Bind to the next free one of chaosctl's own ports."""
    if made.family is socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    for port in ports:
        with suppress(OSError):
            made.bind(("", port))
            return
    made.close()
    raise Inconclusive(
        f"At {at.name} all of the ports {PROBE_PORTS[0]} to {PROBE_PORTS[-1]} are taken, which chaosctl looks from.",
        "See with `ss -tan` what holds them; other looks may be under way there.",
    )


def _question(number: int) -> bytes:
    """Return a DNS query for the servers of the root, with that number as its id."""
    return struct.pack("!HHHHHHBHH", number, 0x0100, 1, 0, 0, 0, 0, 2, 1)


def _checksum(message: bytes) -> int:
    """Return the Internet checksum (RFC 1071); the kernel puts in that of ICMPv6 by itself."""
    padded = message + b"\0" * (len(message) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
