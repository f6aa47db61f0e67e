"""What a fault would do, decided without touching anything."""

from pathlib import Path
from typing import Any

import pytest

from runner.discovery import fault
from runner.errors import Inconclusive, Refused, UsageError
from runner.plan import Plan, duration, plan, read
from tests._scratch import Scratch

CONFIGURATION = """
default: lab
environments:
  lab:
    kind: lab
    duration: 20s
    hosts:
      api: {reach: netns:api, namespace: payment}
      worker: {reach: netns:worker, namespace: payment}
    guardrails: {max_duration: 1m, max_targets: 1}
  live:
    kind: production
    hosts: {api: {reach: netns:live}}
"""


@pytest.fixture
def configured(tmp_path: Path) -> None:
    """Two environments."""
    (tmp_path / "chaosctl.yaml").write_text(CONFIGURATION)


def planned(environment: str = "", **arguments: Any) -> Plan:
    return plan(Scratch, arguments, environment)


def test_plan_says_what_happens_to_whom_for_how_long(configured: None) -> None:
    made = planned(where="api", duration="1m")
    assert made.sentence == "api is scratched for 60s"
    assert [target.name for target in made.selected.targets] == ["netns:api"]
    assert all(ruling.allowed for ruling in made.rulings)
    assert [ruling.guardrail for ruling in made.rulings] == ["longest duration", "blast radius", "protected"]


def test_without_a_duration_the_environments_applies(configured: None) -> None:
    assert planned(where="api").seconds == 20
    assert planned(where="api", duration="").seconds == 20
    assert duration(read(fault("network-dns"), {"target": "x"}), None) == 90


@pytest.mark.parametrize("duration", [0, 0.0, False, 90, "0s", "90", "1:30", "-5s", "90 s"])
def test_duration_that_is_none_is_no_reason_for_the_default(configured: None, duration: object) -> None:
    """`duration: 0` in a file must not turn into the default of ninety seconds."""
    with pytest.raises(UsageError, match=r"^--duration: "):
        planned(where="api", duration=duration)


def test_without_environment_and_target_nothing_is_meant() -> None:
    with pytest.raises(UsageError, match="No environment was chosen, and no target was named with --on"):
        planned(namespace="payment")


def test_without_environment_a_target_can_be_named() -> None:
    made = planned(where="netns:x")
    assert (made.chosen, made.seconds, made.rulings) == (None, 90, ())


def test_environment_is_the_one_that_is_named(configured: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="'live' is production"):
        planned("live", where="api")
    monkeypatch.setenv("CHAOSCTL_ENV", "live")
    with pytest.raises(Refused, match="'live' is production"):
        planned(where="netns:x")
    assert planned("lab", where="api").chosen
    with pytest.raises(UsageError, match=r"'nowhere' is not defined \(known: lab, live\)"):
        planned("nowhere", where="api")


def test_guardrails_hold_whoever_is_named(configured: None) -> None:
    with pytest.raises(Refused, match="2m1s is longer than environment 'lab' allows"):
        planned(where="netns:x", duration="121s")
    with pytest.raises(Refused, match=r"2 targets are more than environment 'lab' allows \(1\)"):
        planned(namespace="payment")
    with pytest.raises(Inconclusive, match="No target matches namespace data"):
        planned(namespace="data")


def test_request_knows_its_fault_from_its_selection() -> None:
    request = read(fault("network-dns"), {"target": "redis", "where": "local", "duration": "3s"})
    assert (request.fault.name, request.selection.where, request.seconds) == ("network-dns", "local", 3.0)
    assert read(fault("network-dns"), {"target": "redis"}).seconds is None


def test_planning_touches_nothing(configured: None, state: Path) -> None:
    planned(where="api")
    assert not state.exists()
