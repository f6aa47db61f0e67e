"""When a signal breaks into what Chaos Toolkit does; with real signals to this process."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from runner import lifecycle
from runner.interruption import Interruption

NUMBERS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: SystemExit, signal.SIGHUP: SystemExit}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The signals that were told of; the handlers are put back afterwards."""
    monkeypatch.setattr(lifecycle, "stopping", threading.Event())
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield []
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def made(told: list[str]) -> Interruption:
    """One that is installed."""
    interruption = Interruption(lambda number: told.append(number.name))
    interruption.install()
    return interruption


def send(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", NUMBERS)
def test_first_signal_raises_and_stops_the_run(made: Interruption, told: list[str], number: signal.Signals) -> None:
    with pytest.raises(NUMBERS[number]):
        send(number)
    assert lifecycle.stopping.is_set()
    assert told == [number.name]


def test_second_signal_raises_nothing_that_could_break_a_clean_up(made: Interruption, told: list[str]) -> None:
    with pytest.raises(SystemExit):
        send()
    send()
    send(signal.SIGINT)
    assert told == ["SIGTERM", "SIGTERM", "SIGINT"]


def test_signal_waits_for_our_own_steps(made: Interruption) -> None:
    with made.held():
        send()
        assert lifecycle.stopping.is_set()
    made.hold()
    send()


def test_every_signal_ends_a_pause(made: Interruption) -> None:
    made.pause(goes_on=True)
    for _ in range(3):
        with pytest.raises(SystemExit):
            send()
    made.pause(goes_on=False)
    send()


def test_pause_is_ended_without_that_being_a_stop_from_outside(made: Interruption, told: list[str]) -> None:
    made.end_pause()
    made.pause(goes_on=True)
    with pytest.raises(SystemExit):
        made.end_pause()
    assert told == []
    made.pause(goes_on=False)
    with pytest.raises(SystemExit):
        send()
    assert told == ["SIGTERM"]


def test_pause_is_not_ended_in_the_midst_of_our_own_steps(made: Interruption) -> None:
    made.pause(goes_on=True)
    with made.held():
        made.end_pause()
    made.pause(goes_on=False)


def test_activity_in_the_background_is_no_pause(made: Interruption) -> None:
    thread = threading.Thread(target=lambda: made.pause(goes_on=True))
    thread.start()
    thread.join()
    made.end_pause()
