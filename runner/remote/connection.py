"""A conversation with one agent: many requests at a time over one stream of lines."""

import json
import os
import select
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any, Protocol

from runner.errors import ChaosctlError, Unreachable
from runner.model import clock
from runner.remote import messages

__all__ = ["Connection", "Transport"]

_MARGIN = 5.0


class Transport(Protocol):
    """Bytes to and from an agent, used by one thread alone."""

    def fileno(self) -> int:
        """Return what to poll."""

    def pending(self) -> bool:
        """Whether bytes are here already that polling does not see."""

    def read(self) -> bytes | None:
        """Return what has come, without waiting; None at the end."""

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def close(self) -> None:
        """End the stream."""


class Connection:
    """A conversation; `ahead` is how many seconds the agent's clock is ahead of ours."""

    def __init__(self, name: str, transport: Transport) -> None:
        self.name = name
        self.ahead = 0.0
        self._transport = transport
        self._asked: dict[int, Future[Any]] = {}
        self._outgoing: list[bytes] = []
        self._next = 0
        self._lock = threading.Lock()
        self._over = False
        self._reading, self._waking = os.pipe()
        self._thread = threading.Thread(target=self._converse, name=f"to {name}", daemon=True)
        self._thread.start()
        self._greet()

    @property
    def open(self) -> bool:
        """Whether requests can still be made."""
        return not self._over

    def call(self, do: str, patience: float = 10.0, **arguments: Any) -> Any:
        """Return the agent's answer; raises its error, or Unreachable where none comes in that many seconds."""
        future: Future[Any] = Future()
        with self._lock:
            if self._over:
                raise self._lost()
            self._next += 1
            number = self._next
            self._asked[number] = future
            self._outgoing.append(messages.encode({"id": number, "do": do, **arguments}))
            os.write(self._waking, b".")
        try:
            reply = future.result(patience + _MARGIN)
        except Late as error:
            raise Unreachable(f"{self.name} gave no answer within {patience + _MARGIN:g} s.") from error
        if "error" in reply:
            raise messages.error_from(reply["error"])
        return reply["value"]

    def close(self) -> None:
        """End the conversation, and with it the agent."""
        with self._lock:
            if not self._over:
                self._over = True
                os.write(self._waking, b".")
        if self._thread is not threading.current_thread():
            self._thread.join(_MARGIN)

    def _greet(self) -> None:
        """Compare clocks, by the quickest of three answers."""
        best = None
        for _ in range(3):
            sent = clock()
            theirs = self.call("hello")
            took = clock() - sent
            if best is None or took < best:
                best, self.ahead = took, theirs - (sent + took / 2)

    def _converse(self) -> None:
        """Send what is to be sent and hand out what comes, until either side ends it."""
        rest = b""
        try:
            while not self._over:
                arrived = self._turn()
                if arrived is None:
                    break
                *lines, rest = (rest + arrived).split(b"\n")
                for line in lines:
                    self._hand_out(json.loads(line))
        except (OSError, ValueError, ChaosctlError):
            pass  # whatever broke, everybody who waits is told below that it is over
        finally:
            self._end()

    def _turn(self) -> bytes | None:
        with self._lock:
            outgoing, self._outgoing = self._outgoing, []
        for message in outgoing:
            self._transport.write(message)
        waiting = select.poll()
        waiting.register(self._transport.fileno(), select.POLLIN | select.POLLHUP)
        waiting.register(self._reading, select.POLLIN)
        ready = [] if self._transport.pending() else [handle for handle, _ in waiting.poll()]
        if self._reading in ready:
            os.read(self._reading, 4096)
        if self._transport.pending() or self._transport.fileno() in ready:
            return self._transport.read()
        return b""

    def _hand_out(self, reply: dict[str, Any]) -> None:
        with self._lock:
            future = self._asked.pop(reply["id"], None)
        if future:
            future.set_result(reply)

    def _end(self) -> None:
        with self._lock:
            self._over = True
            waiting, self._asked = list(self._asked.values()), {}
        for future in waiting:
            future.set_result({"error": messages.error_to(self._lost())})
        _quietly(self._transport.close)
        for handle in (self._reading, self._waking):
            os.close(handle)

    def _lost(self) -> Unreachable:
        return Unreachable(
            f"The connection to {self.name} is lost.",
            "Faults there end by themselves at their deadline; `chaosctl faults` shows what is left.",
        )


def _quietly(close: Callable[[], None]) -> None:
    try:
        close()
    except OSError:
        return
