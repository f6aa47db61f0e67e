"""The socket that server processes share."""

import socket

import pytest

from reports.api.process import listen
from runner.errors import Unreachable


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """Without this each answer over a connection that is kept takes 40 ms: its second packet waits for the first."""
    listening = listen("127.0.0.1", 0)
    with listening.socket as ours, socket.create_connection(ours.getsockname()), ours.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0).socket as ours:
        port = ours.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1 port {port} cannot be listened on"):
            listen("127.0.0.1", port)
