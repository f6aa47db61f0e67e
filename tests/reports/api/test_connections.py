"""What comes over a connection beside bodies, to a real server: what is not there before a body counts for nothing."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.reports._records import record
from tests.reports._serving import serving, token

_PATIENCE = 20.0
_POST = b"POST /api/v1/runs HTTP/1.1\r\nHost: here\r\n"


class Place:
    """Where a server listens, and a token it takes."""

    def __init__(self, url: str, shown: str) -> None:
        at = urlsplit(url)
        assert at.hostname
        assert at.port
        self.address = at.hostname, at.port
        self.authorization = f"Authorization: Bearer {shown}\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    store: Path = tmp_path_factory.mktemp("served") / "store.db"
    with serving(f"sqlite:///{store}") as server:
        yield Place(server.url, token(f"sqlite:///{store}"))


def told(place: Place, *parts: bytes) -> list[bytes]:
    """Send one part after the other; returns the statuses of all answers until nothing more comes."""
    answer = b""
    with socket.create_connection(place.address, _PATIENCE) as made:
        with suppress(ConnectionError):
            for part in parts:
                made.sendall(part)
        made.settimeout(3.0)
        with suppress(TimeoutError, ConnectionError):
            while got := made.recv(65536):
                answer += got
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)


def sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def test_headers_that_do_not_end_are_refused(place: Place) -> None:
    assert told(place, _POST, *(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(200))) == [b"400"]


def test_what_follows_a_body_is_no_header(place: Place) -> None:
    body = record(run="trailing").canonical()
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(body), body)
    assert told(place, _POST, chunks, place.authorization, b"\r\n") == [b"401"]


def test_a_body_is_read_where_another_protocol_is_offered(place: Place) -> None:
    offered = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n"
    assert told(place, _POST, place.authorization, offered, sized(record(run="offered").canonical())) == [b"201"]


def test_requests_that_follow_each_other_are_each_answered(place: Place) -> None:
    many = [_POST + place.authorization + sized(record(run=f"r{number}").canonical()) for number in range(5)]
    assert told(place, b"".join(many)) == [b"201"] * 5
