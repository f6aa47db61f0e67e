"""How long the ways to targets stay open: what is put in place to reach some is shared; its last user removes it.

And what for: a way that can be had only so often is kept for undoing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

__all__ = ["Hold", "at_release", "is_undoing", "undoing"]

_RELEASES: list[Callable[[], None]] = []
_HOLDING = threading.Lock()
_holders: set["Hold"] = set()
_undoing = ContextVar("undoing", default=False)


def at_release(release: Callable[[], None]) -> None:
    """Have something called when nobody holds targets any more."""
    _RELEASES.append(release)


@contextmanager
def undoing() -> Iterator[None]:
    """Say of what this thread does within that it undoes a fault."""
    before = _undoing.set(True)
    try:
        yield
    finally:
        _undoing.reset(before)


def is_undoing() -> bool:
    """Whether this thread undoes a fault."""
    return _undoing.get()


class Hold:
    """Keeps the ways to targets open from `take` to `end`; both may be called again, from any thread."""

    def take(self) -> None:
        """Keep them open."""
        with _HOLDING:
            _holders.add(self)

    def end(self) -> None:
        """Need them no more; with the last one who does, what was put in place is removed."""
        with _HOLDING:
            held = bool(_holders)
            _holders.discard(self)
            if held and not _holders:
                for release in _RELEASES:
                    release()

    def __enter__(self) -> None:
        self.take()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
