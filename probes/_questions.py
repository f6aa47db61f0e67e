"""DNS queries from where a target is, all asked at once by one thread: one packet each, no retries, no cache."""

import errno
import ipaddress
import os
import select
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import cache

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from probes._sockets import reset_when_closed
from runner.model import DNS_PROBE_ID, clock
from runner.targets import Target

__all__ = ["PATIENCE", "Answer", "Question", "ask_all"]

PATIENCE = 2.0
"""How long an answer is waited for where nobody knows better, in seconds."""


@dataclass(frozen=True)
class Question:
    """One query: a full name and record type to one server over one transport."""

    name: str
    server: str
    transport: str = "udp"
    rdtype: str = "A"


@dataclass(frozen=True)
class Answer:
    """What came back: `outcome` is an rcode's name, `timeout`, `refused` or an error's name.

    `addresses` counts the A or AAAA records in it, `seconds` is how long it took.
    """

    outcome: str
    addresses: int
    seconds: float


def ask_all(at: Target, questions: Sequence[Question], patience: float = PATIENCE) -> list[tuple[Question, Answer]]:
    """Return what each gets within `patience` seconds; none waits for another. Raises BadResponse for nonsense."""
    with ExitStack() as sockets:
        talks = [
            sockets.enter_context(closing(_TALKS[question.transport](at, question, patience))) for question in questions
        ]
        _converse(talks)
        return [(talk.question, talk.answer or Answer("timeout", 0, clock() - talk.begun)) for talk in talks]


def _converse(talks: Sequence["_Talk"]) -> None:
    """Let each go on whenever its socket is ready, until all have their answers or the time is up."""
    until = max(talk.until for talk in talks)
    waiting = {talk.socket.fileno(): talk for talk in talks if talk.answer is None}
    poll = select.poll()
    for number, talk in waiting.items():
        poll.register(number, talk.waits_for)
    while waiting and (left := until - clock()) > 0:
        for number, _ in poll.poll(left * 1000):
            waiting[number].go_on()
            if waiting[number].answer:
                poll.unregister(number)
                del waiting[number]
            else:
                poll.modify(number, waiting[number].waits_for)


class _Talk:
    """One question and its socket; the query over UDP is sent when it is made."""

    kind = socket.SOCK_DGRAM

    def __init__(self, at: Target, question: Question, patience: float) -> None:
        self.question, self.begun = question, clock()
        self.until = self.begun + patience
        self.answer: Answer | None = None
        self.waits_for = select.POLLIN
        self._query, self._packet = _query(question.name, question.rdtype)
        server = ipaddress.ip_address(question.server)
        self.socket = at.socket(socket.AF_INET6 if server.version == 6 else socket.AF_INET, self.kind)
        self.socket.setblocking(False)
        self._attempt(self._begin)

    def go_on(self) -> None:
        """Do what the socket is ready for."""
        self._attempt(self._read)

    def close(self) -> None:
        """Close its socket."""
        self.socket.close()

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except dns.exception.Timeout:
            self._end("timeout")
        except (ConnectionRefusedError, ConnectionResetError, EOFError):
            self._end("refused")
        except OSError as error:
            self._end(_refusal(self.socket, error))

    def _begin(self) -> None:
        self.socket.connect((self.question.server, 53))
        self.socket.send(self._packet)

    def _read(self) -> None:
        reply, *_ = dns.query.receive_udp(self.socket, None, self.until)  # it is connected: others are not heard
        self._heard(reply)

    def _heard(self, reply: dns.message.Message) -> None:
        if not self._query.is_response(reply):
            raise dns.query.BadResponse
        wanted = dns.rdatatype.from_text(self.question.rdtype)
        addresses = sum(len(record) for record in reply.answer if record.rdtype == wanted)
        self._end(dns.rcode.to_text(reply.rcode()), addresses)

    def _end(self, outcome: str, addresses: int = 0) -> None:
        self.answer = Answer(outcome, addresses, clock() - self.begun)


class _Stream(_Talk):
    """The same over TCP: the query is sent as soon as the connection stands."""

    kind = socket.SOCK_STREAM

    def _begin(self) -> None:
        # Closed, it is over at once: a fault that drops its query would have the kernel repeat it for minutes, and keep
        # the network namespace of a pod that is long gone.
        reset_when_closed(self.socket)
        self.waits_for = select.POLLOUT
        with suppress(BlockingIOError):
            self.socket.connect((self.question.server, 53))

    def _read(self) -> None:
        if self.waits_for == select.POLLIN:
            reply, _ = dns.query.receive_tcp(self.socket, self.until)
            self._heard(reply)
        elif number := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(number, os.strerror(number))
        else:
            dns.query.send_tcp(self.socket, self._packet, self.until)
            self.waits_for = select.POLLIN


_TALKS = {"udp": _Talk, "tcp": _Stream}


@cache
def _query(name: str, rdtype: str) -> tuple[dns.message.QueryMessage, bytes]:
    """Return the query and its bytes, which a hundred targets are asked by."""
    query = dns.message.make_query(name, rdtype, id=DNS_PROBE_ID)
    return query, query.to_wire()


def _refusal(connection: socket.socket, error: OSError) -> str:
    """Return what a failed send was: a refusal leaves its own error behind on the socket, a mere drop does not."""
    pending = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    number = pending or error.errno or 0
    return "refused" if number == errno.ECONNREFUSED else errno.errorcode.get(number, "error")
