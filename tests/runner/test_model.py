"""Durations, moments and verdicts."""

import random
import time
from datetime import UTC, datetime

import pytest

from runner.errors import UsageError
from runner.model import (
    Verdict,
    clock,
    format_duration,
    format_rate,
    iso,
    parse_duration,
    parse_percent,
    parse_rate,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("2500ms", 2.5),
        ("1m30s", 90),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5m", 90),
        (" 90s ", 90),
        ("1h1m1s1ms", 3661.001),
        ("1ms", 0.001),
        ("365d", 31536000),
    ],
)
def test_durations_are_read(written: str, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    ["90", "1:30", "-5s", "90 s", "", " ", "s", "1e3s", "9O s", "90S", "90sec", "1,5s", "∞", "90s;", "90s 90s", "+1s"],
)
def test_what_is_no_duration_is_refused_with_examples(written: str) -> None:
    with pytest.raises(UsageError, match="is not a duration") as refused:
        parse_duration(written)
    assert repr(written) in refused.value.message
    assert "90s, 2500ms, 1m30s" in refused.value.fix


@pytest.mark.parametrize("written", [90, 90.0, 0, None, True, ["90s"], {"s": 90}])
def test_numbers_without_a_unit_are_refused(written: object) -> None:
    """YAML reads 1:30 as 90, so a number may not be what was written."""
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["0s", "0ms", "0h0m", "0.4ms", "0.0001s", "366d", "9999999999d", "1" * 400 + "s"])
def test_times_that_no_kernel_timer_holds_are_refused(written: str) -> None:
    """A timer set to 0 never ends: 0.4ms, rounded, would be a fault for ever."""
    with pytest.raises(UsageError, match="no time to wait for") as refused:
        parse_duration(written)
    assert "at least 1ms and at most 365d" in refused.value.fix


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.25, "250ms"), (2.5, "2.5s"), (90, "90s"), (95, "95s"), (100, "1m40s"), (7200, "2h"), (3661, "1h1m1s")],
)
def test_durations_are_written_as_people_do(seconds: float, written: str) -> None:
    assert format_duration(seconds) == written


def test_what_is_written_can_be_read_again() -> None:
    chosen = random.Random(7)  # noqa: S311 - durations, not secrets
    for _ in range(500):
        seconds = round(10 ** chosen.uniform(-2.9, 6), 3)
        assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=0.006, abs=0.001), seconds


@pytest.mark.parametrize(("written", "percent"), [("10%", 10), ("0.5%", 0.5), (" 100% ", 100), ("100.0%", 100)])
def test_percentages_are_read(written: str, percent: float) -> None:
    assert parse_percent(written) == percent


@pytest.mark.parametrize("written", ["10", "", "%", "-1%", "1e1%", "10 %", "ten%", 10, 0.1, True, None])
def test_shares_without_a_sign_are_refused(written: object) -> None:
    """0.1 may be meant as a tenth or as a thousandth."""
    with pytest.raises(UsageError, match="is not a percentage") as refused:
        parse_percent(written)
    assert "10% or 0.5%" in refused.value.fix


@pytest.mark.parametrize("written", ["0%", "0.0%", "100.1%", "200%"])
def test_shares_of_nothing_or_of_more_than_all_are_refused(written: str) -> None:
    with pytest.raises(UsageError, match="no share of packets"):
        parse_percent(written)


@pytest.mark.parametrize(("written", "rate"), [("512kbit", 512e3), ("1mbit", 1e6), ("2.5gbit", 2.5e9), ("8kbit", 8e3)])
def test_rates_are_read_and_written(written: str, rate: float) -> None:
    assert parse_rate(written) == rate
    assert format_rate(rate) == written


@pytest.mark.parametrize("written", ["1", "1mb", "1 mbit", "1Mbit", "mbit", "-1mbit", "1mbps", 1000000, None])
def test_rates_without_a_unit_are_refused(written: object) -> None:
    with pytest.raises(UsageError, match="is not a rate"):
        parse_rate(written)


@pytest.mark.parametrize("written", ["0kbit", "7.9kbit", "10.1gbit"])
def test_rates_that_nothing_can_be_held_to_are_refused(written: str) -> None:
    with pytest.raises(UsageError, match="no rate to hold packets to"):
        parse_rate(written)


def test_moments_are_utc_with_milliseconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC).timestamp()
    assert iso(moment) == "2026-01-02T03:04:05.678Z"
    assert iso(None) == "-"


def test_clock_shows_the_time_and_does_not_jump_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert clock() == pytest.approx(time.time(), abs=60)
    before = clock()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock() >= before


def test_verdicts_have_the_exit_codes_of_the_docs() -> None:
    assert {verdict.value: verdict.exit_code for verdict in Verdict} == {
        "pass": 0,
        "fail": 1,
        "inconclusive": 3,
        "error": 4,
        "aborted": 5,
    }
