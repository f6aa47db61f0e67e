"""Reading and judging with all cores: both are pure, and records are independent of each other."""

import multiprocessing
import os
import select
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from typing import TypeVar

from reports.api.intake import held
from reports.api.problems import Problem
from reports.packing import Packed, Unjudged
from reports.pending import Waiting, judge_here

__all__ = ["Workers", "end_with"]

In = TypeVar("In")
Out = TypeVar("Out")
_CHUNK = 25
_LOWEST = 19


class Workers:
    """Processes that parse and judge; with none of them it happens here.

    Those in the `background` have the lowest priority: whatever somebody waits for goes first.
    """

    def __init__(self, processes: int, *, background: bool = False) -> None:
        self._processes = processes
        self._nice = _LOWEST if background else 0
        self._pool = self._made()

    def _made(self) -> ProcessPoolExecutor | None:
        context = multiprocessing.get_context("forkserver")
        started = os.getpid(), self._nice
        return ProcessPoolExecutor(self._processes, context, _begin, started) if self._processes else None

    def held(self, lines: Sequence[tuple[int, bytes]], project: str) -> list[Unjudged | Problem]:
        """Return each line as it is kept until it is judged, or what is wrong with it, in the same order."""
        return self._spread(_held, [(line, project) for _, line in lines])

    def judged(self, many: Sequence[Waiting]) -> list[Packed]:
        """Return records that waited as the store keeps them, in the same order; raises as judge_here()."""
        return self._spread(judge_here, many)

    def _spread(self, work: Callable[[Sequence[In]], list[Out]], items: Sequence[In]) -> list[Out]:
        if self._pool is None or (len(items) <= _CHUNK and not self._nice):
            return work(items)
        chunks = [items[first : first + _CHUNK] for first in range(0, len(items), _CHUNK)]
        try:
            return list(chain.from_iterable(self._pool.map(work, chunks)))
        except BrokenProcessPool:  # one was killed, by whom it may be: the others go with it, and new ones come
            self._pool = self._made()
            return work(items)

    def close(self) -> None:
        """End the processes."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def end_with(server: int) -> None:
    """End this process with the server, however that ends: a killed one leaves no judges behind."""
    try:
        handle = os.pidfd_open(server)
    except ProcessLookupError:
        os._exit(0)

    def watch() -> None:
        select.select([handle], [], [])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _begin(server: int, nice: int) -> None:
    end_with(server)
    os.nice(nice)


def _held(lines: Sequence[tuple[bytes, str]]) -> list[Unjudged | Problem]:
    return [_one(line, project) for line, project in lines]


def _one(line: bytes, project: str) -> Unjudged | Problem:
    try:
        return held(line, project)
    except Problem as problem:
        return problem
