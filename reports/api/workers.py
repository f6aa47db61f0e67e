"""Reading a bulk with all cores: judging is pure, and the records of a bulk are independent of each other."""

import multiprocessing
import os
import select
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain

from reports.api.intake import packed
from reports.api.problems import Problem
from reports.packing import Packed

__all__ = ["Workers", "end_with"]

_CHUNK = 25


class Workers:
    """Processes that parse and judge; with none of them it happens here."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool = self._made()

    def _made(self) -> ProcessPoolExecutor | None:
        context = multiprocessing.get_context("forkserver")
        return ProcessPoolExecutor(self._processes, context, end_with, (os.getpid(),)) if self._processes else None

    def packed(self, lines: Sequence[tuple[int, bytes]], project: str) -> list[Packed | Problem]:
        """Return each line as it is kept, or what is wrong with it, in the same order."""
        if self._pool is None or len(lines) <= _CHUNK:
            return _packed([line for _, line in lines], project)
        chunks = [[line for _, line in lines[first : first + _CHUNK]] for first in range(0, len(lines), _CHUNK)]
        try:
            return list(chain.from_iterable(self._pool.map(_packed, chunks, [project] * len(chunks))))
        except BrokenProcessPool:  # a judge was killed, by whom it may be: the others go with it, and new ones come
            self._pool = self._made()
            return _packed([line for _, line in lines], project)

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


def _packed(lines: Sequence[bytes], project: str) -> list[Packed | Problem]:
    return [_one(line, project) for line in lines]


def _one(line: bytes, project: str) -> Packed | Problem:
    try:
        return packed(line, project)
    except Problem as problem:
        return problem
