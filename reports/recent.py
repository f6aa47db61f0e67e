"""What was asked for last: so many things are kept, whoever asks, and the least asked for are forgotten."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

__all__ = ["Recent"]

_K = TypeVar("_K")
_V = TypeVar("_V")


class Recent(Generic[_K, _V]):
    """At most so many things by name; several threads may ask at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._kept: OrderedDict[_K, _V] = OrderedDict()

    def found(self, names: Iterable[_K]) -> dict[_K, _V]:
        """Return those of them that are kept, in the order of their names."""
        with self._guard:
            return {name: self._kept[name] for name in names if name in self._kept}

    def keep(self, things: Mapping[_K, _V]) -> None:
        """Keep things, each in the place of what had its name, as those that were asked for last."""
        with self._guard:
            for name, thing in things.items():
                self._kept[name] = thing
                self._kept.move_to_end(name)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
