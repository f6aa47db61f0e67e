"""A collection of a cluster's objects, kept up to date by a watch: moments are when the cluster told."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from runner.cluster import Cluster
from runner.errors import ChaosctlError
from runner.model import clock

__all__ = ["Following", "Take"]

_AGAIN = 1.0
_EVERY = 60

Take = Callable[[str, Mapping[str, Any], float], None]


class Following:
    """What a collection holds, from `begin` to `end`.

    `take` is told each change as ADDED, MODIFIED or DELETED, holding `changed`; what was missed while the connection
    was broken is told when it is back. `lost` says since when it is broken, in seconds since the epoch.
    """

    def __init__(self, at: Cluster, path: str, take: Take, changed: threading.Condition, **query: str) -> None:
        self.lost: float | None = None
        self._at, self._path, self._query = at, path, query
        self._take = take
        self._changed = changed
        self._known: dict[str, Mapping[str, Any]] = {}
        self._stop = threading.Event()

    def begin(self) -> None:
        """Take in what is there, and watch from then on; raises what keeps it from being asked."""
        version = self._listed()
        threading.Thread(target=self._follow, args=(version,), name=f"follows {self._path}", daemon=True).start()

    def end(self) -> None:
        """Watch no more."""
        self._stop.set()

    def _follow(self, version: str) -> None:
        while not self._stop.is_set():
            try:
                for event in self._at.watch(self._path, version, self._stop, _EVERY, **self._query):
                    self._tell(event.kind, event.item)
            except ChaosctlError:
                self.lost = self.lost or clock()
                version = self._again()

    def _again(self) -> str:
        """Return the version to go on from, once the cluster answers again."""
        while not self._stop.wait(_AGAIN):
            try:
                version = self._listed()
            except ChaosctlError:
                continue  # it is away: nothing can be seen until it is back
            self.lost = None
            return version
        return ""

    def _listed(self) -> str:
        listing = self._at.items(self._path, None, **self._query)
        there = {item["metadata"]["uid"] for item in listing.items}
        for uid in self._known.keys() - there:
            self._tell("DELETED", self._known[uid])
        for item in listing.items:
            self._tell("MODIFIED" if item["metadata"]["uid"] in self._known else "ADDED", item)
        return listing.version

    def _tell(self, kind: str, item: Mapping[str, Any]) -> None:
        uid = item["metadata"]["uid"]
        with self._changed:
            if kind == "DELETED":
                self._known.pop(uid, None)
            else:
                self._known[uid] = item
            self._take(kind, item, clock())
            self._changed.notify_all()
