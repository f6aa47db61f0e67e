"""Unary gRPC calls over one HTTP/2 connection, as etcd's own clients make them.

One connection matters: a fault that holds back a connection's packets holds back all calls on it, and a pool of
connections would be measured differently from what a real client sees. A call leaves in one piece: a server answers as
soon as it has the message, and resets a call whose end comes later, which general HTTP/2 clients do not expect.
"""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from probes._connecting import connected
from runner.errors import Unreachable
from runner.targets import Target

__all__ = ["Channel", "bytes_field", "fields", "number_field"]

_CHUNK = 65536


@dataclass
class _Call:
    answer: "asyncio.Future[None]"
    body: bytearray = field(default_factory=bytearray)
    status: str = ""
    message: str = ""


class Channel:
    """A connection from a target to a server, for the tasks of one event loop; make it with `open`."""

    def __init__(self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._url = urlsplit(url)
        self._reader, self._writer = reader, writer
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._http.initiate_connection()
        self._calls: dict[int, _Call] = {}
        self._broken = ""
        self._send()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, at: Target, url: str, secured: ssl.SSLContext | None, patience: float) -> "Channel":
        """Connect from the target's own network, from a port that is known to be a probe's; raises Unreachable."""
        fix = "See that it runs, and that its address, and for https the certificates, are right."
        return cls(url, *await connected(at, url, 2379, secured, patience, fix))

    async def call(self, method: str, message: bytes) -> bytes:
        """Make a unary call such as `/etcdserverpb.KV/Put` and return the answer's message; raises Unreachable."""
        call = _Call(asyncio.get_running_loop().create_future())
        if self._broken:
            raise self._error(method, self._broken)
        stream = self._http.get_next_available_stream_id()
        self._calls[stream] = call
        self._http.send_headers(stream, self._headers(method))
        self._http.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        self._send()
        try:
            await call.answer
        finally:
            self._calls.pop(stream, None)
        if call.status != "0" or not call.body:
            raise self._error(method, call.message or f"gRPC status {call.status or 'none'}")
        return bytes(call.body[5:])

    async def close(self) -> None:
        """Close the connection without waiting for what was not sent."""
        self._reading.cancel()
        self._writer.transport.abort()

    def _headers(self, method: str) -> list[tuple[str, str]]:
        return [
            (":method", "POST"),
            (":scheme", self._url.scheme),
            (":path", method),
            (":authority", self._url.netloc),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]

    def _send(self) -> None:
        """Hand over what is due; what the kernel does not take yet is kept, as for any client that is held back."""
        self._writer.write(self._http.data_to_send())

    async def _read(self) -> None:
        reason = "the server closed the connection"
        try:
            while data := await self._reader.read(_CHUNK):
                for event in self._http.receive_data(data):
                    self._handle(event)
                self._send()
        except (OSError, ProtocolError) as error:
            reason = str(error) or type(error).__name__
        self._broken = self._broken or reason
        for call in self._calls.values():
            self._end(call, self._broken)

    def _handle(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            self._broken = f"the server ended the connection (HTTP/2 error {event.error_code})"
        call = self._calls.get(getattr(event, "stream_id", 0) or 0)
        if call is None:
            return
        if isinstance(event, DataReceived):
            call.body += event.data
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, ResponseReceived | TrailersReceived):
            headers = {str(name): str(value) for name, value in event.headers or ()}
            call.status = headers.get("grpc-status", call.status)
            call.message = headers.get("grpc-message", call.message)
        elif isinstance(event, StreamEnded | StreamReset):
            self._end(call, "")

    def _end(self, call: _Call, reason: str) -> None:
        call.message = call.message or reason
        if not call.answer.done():
            call.answer.set_result(None)

    def _error(self, method: str, told: str) -> Unreachable:
        return Unreachable(f"etcd at {self._url.netloc} did not answer {method}: {told}.")


def number_field(number: int, value: int) -> bytes:
    """Return a protobuf field of a whole number that is not negative."""
    return _varint(number << 3) + _varint(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Return a protobuf field of bytes, text or a message."""
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protobuf message; fixed-size numbers are yielded as bytes."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _read_varint(message, at)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length, at = _read_varint(message, at)
        yield key >> 3, message[at : at + length]
        at += length


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
