"""Requests of our own at a steady rate, whatever the answers take (an open loop), by a thread with an event loop."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from probes._shown import Shown
from runner.model import clock

__all__ = ["Asking"]


class Asking(ABC):
    """What watchers of a latency share (runner.fault.Watcher); `shown` is what their requests show."""

    def __init__(self, name: str, rate: float, shown: Shown) -> None:
        self._rate, self._shown = rate, shown
        self._stop = threading.Event()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def open(self) -> None:
        """Connect and begin to ask; raises Unreachable, or whatever else kept it from connecting."""
        self._thread.start()
        self._ready.result()

    def close(self) -> None:
        """End, and leave nothing behind."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return how long requests took that began between two moments."""
        return self._shown.requests.between(since, until)

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    @abstractmethod
    async def _live(self) -> None:
        """Connect, say so in `_ready`, and ask until `_stop`; what is raised before that is told to who opened it."""

    async def _ask(self, due: Callable[[int], Iterable[Coroutine[Any, Any, None]]]) -> None:
        """Begin what is due with the first request, the second and so on, `_rate` times a second, until `_stop`."""
        tasks: set[asyncio.Task[None]] = set()
        begun, number = clock(), 0
        while not self._stop.is_set():
            number += 1
            for task in map(asyncio.create_task, due(number)):
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(max(0.0, begun + number / self._rate - clock()))
