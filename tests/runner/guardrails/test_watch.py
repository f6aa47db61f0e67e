"""Guards in their threads: the first that trips is told, and one that ends by itself has tripped."""

import threading
from dataclasses import dataclass, field

import pytest

from runner.errors import Aborted, ChaosctlError
from runner.guardrails.watch import Guard, Watch


@dataclass
class Counting:
    """A guard that trips, raises or breaks at its third look."""

    how: str
    name: str = "counting"
    every: float = 0.01
    looks: int = 0
    closed: threading.Event = field(default_factory=threading.Event)

    def look(self) -> ChaosctlError | None:
        self.looks += 1
        if self.looks < 3 or self.how == "content":
            return None
        if self.how == "broken":
            raise KeyError("nobody thought of this")
        if self.how == "raising":
            raise Aborted("enough")
        return Aborted("enough")

    def close(self) -> None:
        self.closed.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("how", "told"), [("tripping", "enough"), ("raising", "enough"), ("broken", "'counting' ended by a bug of ours")]
)
def test_guard_that_ends_has_tripped(how: str, told: str) -> None:
    heard: list[ChaosctlError] = []
    tripped = threading.Event()
    guard = Counting(how)

    def trip(which: Guard, error: ChaosctlError) -> None:
        assert which is guard
        heard.append(error)
        tripped.set()

    Watch([guard], trip).start()
    assert tripped.wait(30)
    assert guard.closed.is_set()
    [error] = heard
    assert told in error.message
    assert [(ruling.guardrail, ruling.allowed) for ruling in error.rulings] == [("counting", False)]


def test_watch_that_was_stopped_tells_nobody() -> None:
    guard = Counting("content")
    watch = Watch([guard], lambda _guard, error: pytest.fail(str(error)))
    watch.start()
    while guard.looks < 3:
        threading.Event().wait(0.01)
    watch.stop()
    assert guard.closed.wait(30)
