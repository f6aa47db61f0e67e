"""Work at many targets at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

__all__ = ["AT_ONCE", "each"]

AT_ONCE = 32

_T = TypeVar("_T")


def each(work: Callable[[_T], None], items: Iterable[_T]) -> None:
    """Do something with each of them at once; every one is tried, then the first error is raised.

    A signal may raise here at any moment: what is under way comes to its end first, so that no command overtakes
    the undoing that follows.
    """
    pool = ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        doing = [pool.submit(work, item) for item in items]
        wait(doing)
    finally:
        pool.shutdown(cancel_futures=True)
    for done in doing:
        done.result()
