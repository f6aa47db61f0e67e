import socket

import pytest

from lab.plan import Lab
from lab.resp import exchange
from lab.zone import REDIS


def _redis(lab: Lab) -> socket.socket:
    return socket.create_connection((str(lab.address(REDIS)), 6379), 10)


def test_redis_answers(shared_lab: Lab) -> None:
    with _redis(shared_lab) as connection:
        assert exchange(connection, "PING") == "+PONG"
        first = exchange(connection, "INCR resp-test")
        assert int(exchange(connection, "INCR resp-test")[1:]) == int(first[1:]) + 1


def test_an_error_of_redis_is_an_error_here(shared_lab: Lab) -> None:
    with _redis(shared_lab) as connection, pytest.raises(OSError, match="unknown command"):
        exchange(connection, "REFUND")


def test_a_connection_that_ends_before_the_reply_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"+PO")
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            exchange(ours, "PING")
