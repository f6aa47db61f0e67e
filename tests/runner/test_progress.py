"""What a run tells while it goes."""

import json
import logging
import os
import signal
import threading

import pytest

from runner import progress
from runner.model import clock
from runner.progress import EVENTS, tell


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The timeline, of one test only."""
    timeline: list[dict[str, object]] = []
    monkeypatch.setattr(progress, "told", timeline)
    return timeline


def test_without_a_view_sentences_go_to_chaos_toolkits_log(
    told: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "chaostoolkit")
    tell("armed", "ends by itself")
    tell("sample", value=1.0)
    assert caplog.messages == ["armed: ends by itself"]
    [step] = told
    assert (step["what"], step["detail"]) == ("armed", "ends by itself")
    assert step["at"] == pytest.approx(clock(), abs=10)


def test_view_gets_everything_as_json_lines(told: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(EVENTS, str(writing))
    tell("armed", "ends by\nitself")
    tell("sample", probe="p", value=None)
    os.close(writing)
    with os.fdopen(reading) as lines:
        first, second = map(json.loads, lines)
    assert (first["what"], first["sentence"]) == ("armed", "ends by\nitself")
    assert (second["what"], second["sentence"], second["probe"], second["value"]) == ("sample", "", "p", None)
    assert len(told) == 1


def test_view_that_was_closed_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    monkeypatch.setenv(EVENTS, str(writing))
    tell("armed", "ends by itself")
    os.close(writing)


def test_long_line_arrives_whole_though_a_signal_comes_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is longer than a pipe holds, and a signal cuts a write that waits for room short."""
    reading, writing = os.pipe()
    monkeypatch.setenv(EVENTS, str(writing))
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    main, got = threading.get_ident(), bytearray()

    def read() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        while part := os.read(reading, 4096):
            got.extend(part)

    reader = threading.Timer(0.2, read)
    reader.start()
    tell("end", record="x" * 300_000)
    os.close(writing)
    reader.join()
    os.close(reading)
    signal.signal(signal.SIGUSR1, before)
    assert len(json.loads(got)["record"]) == 300_000
