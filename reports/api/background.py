"""What a server does while nobody waits: judge what bulks brought, and write down how cells stand."""

import logging
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from reports.api.workers import Workers
from reports.connect import reaching
from reports.pending import settle, tidy, waiting
from reports.standings import Standings
from reports.store import Store
from runner.errors import ChaosctlError, Unreachable
from runner.model import clock

__all__ = ["Background"]

_MOST = 100_000
"""So many may wait to be judged; what comes beyond is judged before it is acknowledged, so that senders slow down."""
_PUT_OFF = 50_000
_QUIET_SECONDS = 1.0
_BATCH = 100
_AGAIN_SECONDS = 2.0
_REST_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


class Background:
    """A thread that judges runs in the order in which they came, with processes of the lowest priority.

    It waits until no bulk has come for a second, or very many wait: beside it bulks are read a fifth slower. While none
    came for a while it brings up to date what the store keeps of cells. It begins with what an earlier server left.
    Others may judge the same ones meanwhile: each is put in its place once.
    """

    def __init__(self, store: Store, standings: Standings, processes: int) -> None:
        self._store = store
        self._standings = standings
        self._workers = Workers(processes, background=True)
        self._names: SimpleQueue[Sequence[str]] = SimpleQueue()
        self._guard = threading.Lock()
        self._left = 0
        self._untidy = True
        self._came = self._added = float("-inf")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="background", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def add(self, names: Sequence[str]) -> bool:
        """Take runs to judge; returns False where too many wait already."""
        with self._guard:
            if self._left + len(names) > _MOST:
                return False
            self._left += len(names)
            self._added = time.monotonic()
        self._names.put(names)
        return True

    def busy(self) -> None:
        """Put off what is only done while nothing comes."""
        self._came = time.monotonic()

    def close(self) -> None:
        """End after the batch at hand; what is left waits in the store."""
        self._over.set()
        self._names.put(())
        self._thread.join()
        self._workers.close()

    def _work(self) -> None:
        self._settle(self._found())
        while not self._over.is_set():
            try:
                names = self._names.get(timeout=_REST_SECONDS)
            except Empty:
                if time.monotonic() - self._came >= _REST_SECONDS:
                    self._rest()
                continue
            self._wait_for_quiet()
            self._settle(names)
            self._untidy = True
            with self._guard:
                self._left -= len(names)

    def _wait_for_quiet(self) -> None:
        """Leave the processors to bulks while they come one after the other, until very many wait."""
        while self._left < _PUT_OFF and time.monotonic() - self._added < _QUIET_SECONDS:
            if self._over.wait(_QUIET_SECONDS / 4):
                return

    def _rest(self) -> None:
        with suppress(ChaosctlError):  # the next rest comes soon; what is damaged is told where it is judged
            if self._untidy:
                tidy(self._store)
                self._untidy = False
            self._standings.refresh(clock(), self._over.is_set)

    def _found(self) -> Sequence[str]:
        while not self._over.is_set():
            try:
                with reaching(self._store.place), self._store.engine.connect() as connection:
                    return waiting(connection)
            except Unreachable:
                self._over.wait(_AGAIN_SECONDS)
        return ()

    def _settle(self, names: Sequence[str]) -> None:
        for first in range(0, len(names), _BATCH):
            while not self._over.is_set() and not self._settled(names[first : first + _BATCH]):
                self._over.wait(_AGAIN_SECONDS)

    def _settled(self, names: Sequence[str]) -> bool:
        """Judge some of them; returns False where the store was away. What is damaged is told, and stays."""
        try:
            settle(self._store, names, self._workers.judged)
        except Unreachable:
            return False
        except ChaosctlError as error:
            if len(names) > 1:
                return all(self._settled([name]) for name in names)
            _LOG.error("%s", error)
        return True
