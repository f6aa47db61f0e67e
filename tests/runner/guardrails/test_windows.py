"""When faults are allowed. A fault must lie inside a window to its very end, by the clocks of its environment."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from runner.config import Chosen, Environment
from runner.guardrails import Proposal, windows
from runner.selection import Selected

BERLIN = "Europe/Berlin"
WORK = '[{days: mon-fri, opens: "09:00", closes: "17:00"}]'


def denied(moment: str, seconds: float = 60, where: str = BERLIN, **limits: str) -> list[str]:
    """Return why a fault at that moment (on a clock there) is not allowed; limits are YAML."""
    environment = Environment.model_validate(
        {
            "kind": "lab",
            "guardrails": {"time_zone": where, **{key: yaml.safe_load(text) for key, text in limits.items()}},
        }
    )
    at = datetime.fromisoformat(moment)
    stamp = (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(where))).timestamp()
    found = windows.rule(Proposal(Chosen(name="lab", environment=environment), Selected((), ""), seconds, stamp))
    return [ruling.reason for ruling in found if not ruling.allowed]


@pytest.mark.parametrize(
    ("moment", "seconds", "allowed"),
    [
        ("2026-11-25T09:00:00", 60, True),
        ("2026-11-25T08:59:59", 60, False),
        ("2026-11-25T16:59:00", 60, True),
        ("2026-11-25T16:59:01", 60, False),
        ("2026-11-28T12:00:00", 60, False),
        ("2026-11-25T16:30:00+00:00", 60, False),
        ("2026-11-25T08:30:00+00:00", 60, True),
        ("2026-07-01T15:30:00+00:00", 60, False),
        ("2026-07-01T14:30:00+00:00", 60, True),
    ],
)
def test_fault_lies_inside_a_window_to_its_end(moment: str, seconds: float, allowed: bool) -> None:
    assert (denied(moment, seconds, windows=WORK) == []) == allowed


def test_refusal_names_the_clock_and_the_windows() -> None:
    [told] = denied("2026-11-25T16:30:00+00:00", windows=WORK)
    assert "from Wed 2026-11-25 17:30:00 to Wed 17:31:00 (Europe/Berlin)" in told
    assert told.endswith("allows: mon,tue,wed,thu,fri 09:00-17:00.")


@pytest.mark.parametrize(
    ("moment", "seconds", "allowed"),
    [
        ("2026-11-27T23:59:30", 60, True),
        ("2026-11-28T05:00:00", 60, True),
        ("2026-11-28T06:00:00", 60, False),
        ("2026-11-28T22:00:00", 60, False),
        ("2026-11-27T05:00:00", 60, False),
    ],
)
def test_window_over_midnight_belongs_to_the_day_it_opens_on(moment: str, seconds: float, allowed: bool) -> None:
    night = '[{days: fri, opens: "22:00", closes: "06:00"}]'
    assert (denied(moment, seconds, windows=night) == []) == allowed


def test_windows_that_touch_are_one() -> None:
    two = '[{days: "mon-sun", opens: "09:00", closes: "12:00"}, {opens: "12:00", closes: "24:00"}, {closes: "02:00"}]'
    assert denied("2026-11-25T09:00:00", 17 * 3600, windows=two) == []
    assert denied("2026-11-25T09:00:00", 17 * 3600 + 1, windows=two)


def test_clock_that_is_put_back_lets_a_window_last_an_hour_longer() -> None:
    """On 25 October 2026 in Berlin 02:00 to 03:00 comes twice."""
    night = '[{opens: "01:00", closes: "04:00"}]'
    assert denied("2026-10-25T01:00:00", 4 * 3600, windows=night) == []
    assert denied("2026-10-25T01:00:00", 4 * 3600 + 1, windows=night)
    assert denied("2026-03-29T01:00:00", 2 * 3600 + 1, windows=night), "and one that is put forward, an hour less"


@pytest.mark.parametrize(
    ("moment", "seconds", "allowed"),
    [
        ("2026-12-23T23:58:59", 60, True),
        ("2026-12-23T23:59:01", 60, False),
        ("2027-01-02T23:59:59", 60, False),
        ("2027-01-03T00:00:00", 60, True),
        ("2026-12-23T22:59:30+00:00", 60, False),
        ("2026-05-01T12:00:00", 60, False),
        ("2026-05-02T12:00:00", 60, True),
    ],
)
def test_frozen_days_are_days_of_the_environments_clock(moment: str, seconds: float, allowed: bool) -> None:
    found = denied(moment, seconds, freeze="[2026-05-01, 2026-12-24..2027-01-02]")
    assert (found == []) == allowed
    if moment.startswith("2027-01-02"):
        assert found == ["Environment 'lab' is frozen on 2026-12-24 to 2027-01-02 (Europe/Berlin)."]


def test_without_windows_any_time_is_allowed() -> None:
    assert denied("2026-11-28T03:00:00") == []


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"time_zone": "Europe/Bielefeld"}, "'Europe/Bielefeld' is no time zone known here"),
        ({"windows": yaml.safe_load("[{opens: 17:00}]")}, "YAML takes 17:30 for a number"),
        ({"windows": [{"opens": "25:00"}]}, "write a time of day in quotes"),
        ({"windows": [{"days": "weekdays"}]}, "'weekdays' is no weekday"),
        ({"freeze": ["christmas"]}, "'christmas' is no day"),
        ({"freeze": ["2026-12-24..2026-12-20"]}, "ends before it begins"),
    ],
)
def test_times_that_cannot_be_meant_are_refused(limits: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Environment.model_validate({"kind": "lab", "guardrails": limits})
