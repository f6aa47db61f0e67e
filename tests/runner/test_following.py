"""Followers made from the probes of a hypothesis."""

from typing import Any

import pytest

from runner.errors import ChaosctlError
from runner.experiment import Extension
from runner.following import followers, traffic
from runner.model import Outcome, clock
from runner.sampler import Follower
from runner.slo import Events
from tests._experiments import calm, experiment, python

PROMISE = Extension(name="chaosctl", hard=("it is calm",))


def made(probe: dict[str, Any], configuration: Any = None) -> Follower:
    """Return the one follower of a hypothesis with one probe, after it was asked once."""
    [follower] = followers(experiment(probes=(probe,)), configuration or {}, {}, PROMISE)
    follower.begin(clock() - 5)
    follower.take()
    return follower


@pytest.mark.parametrize(
    ("value", "tolerance", "outcome"),
    [
        (True, True, Outcome.GOOD),
        (False, True, Outcome.BAD),
        (5, [1, 10], Outcome.GOOD),
        (0.5, {"type": "range", "range": [0.9, 1.0]}, Outcome.BAD),
        ("up 3", {"type": "regex", "pattern": "^up"}, Outcome.GOOD),
        ({"status": 200}, 200, Outcome.GOOD),
        ({"status": 500}, 200, Outcome.BAD),
        (None, [1, 10], Outcome.FAILED),
        ({"status": 200}, {"type": "range", "range": [0, 1]}, Outcome.FAILED),
        (3, {"type": "regex", "pattern": "^up"}, Outcome.FAILED),
    ],
)
def test_tolerances_are_chaos_toolkits_own_and_never_end_the_sampling(
    value: Any, tolerance: Any, outcome: Outcome
) -> None:
    """Some tolerances raise when a value is not of their kind; Chaos Toolkit itself crashes there."""
    [sample] = made(calm(value, tolerance)).samples
    assert sample.outcome is outcome
    if outcome is Outcome.FAILED:
        assert "cannot be held against the tolerance" in sample.detail


def test_tolerance_is_a_copy_each_time() -> None:
    """Chaos Toolkit writes the value into a tolerance that is a probe itself."""
    tolerance = python("probe", "same", "tests._probes:always", {})
    probe = calm(True, tolerance)
    follower = made(probe)
    assert follower.samples[0].outcome is Outcome.GOOD
    assert "value" not in probe["tolerance"]["provider"]["arguments"]


def test_variables_are_filled_in() -> None:
    probe = calm("${answer}", "${answer}")
    assert made(probe, {"answer": "yes"}).samples[0].outcome is Outcome.GOOD


def test_probe_that_raises_is_a_failed_sample() -> None:
    probe = python("probe", "it answers", "tests._probes:fails_once_there", {"path": "/"}, tolerance=True)
    [sample] = made(probe).samples
    assert (sample.outcome, sample.detail) == (Outcome.FAILED, "RuntimeError: nobody answers")


def test_probe_that_cannot_be_reached_is_a_failed_sample() -> None:
    """Nothing listens on the discard port of loopback."""
    provider = {"type": "http", "url": "http://127.0.0.1:9/", "timeout": 1}
    probe = {"name": "it answers", "type": "probe", "tolerance": 200, "provider": provider}
    [sample] = made(probe).samples
    assert sample.outcome is Outcome.FAILED
    assert sample.detail


def test_hard_probes_are_those_of_the_promise() -> None:
    probes = (calm(), {**calm(), "name": "other"})
    one, other = followers(experiment(probes=probes), {}, {}, PROMISE)
    assert (one.account(0.0)["hard"], other.account(0.0)["hard"]) == (True, False)


def test_without_a_hypothesis_nothing_is_followed() -> None:
    what = experiment()
    del what["steady-state-hypothesis"]
    assert followers(what, {}, {}, PROMISE) == []


def test_without_events_there_is_no_traffic() -> None:
    assert traffic(PROMISE, 0.0, 1.0) is None


def test_traffic_that_cannot_be_had_is_an_error() -> None:
    promise = Extension(name="chaosctl", events=Events(all="up", bad="up"))
    with pytest.raises(ChaosctlError):
        traffic(promise, 0.0, 1.0)


def test_an_invariant_is_marked_as_one_in_the_record() -> None:
    promise = Extension(name="chaosctl", hard=(), invariants=("it is calm",))
    [follower] = followers(experiment(probes=(calm(),)), {}, {}, promise)
    assert {name: follower.account(0.0)[name] for name in ("hard", "invariant")} == {"hard": False, "invariant": True}


def test_bad_events_are_those_that_were_not_counted_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counters are a stand-in here; tests/probes reads them from a real Prometheus."""
    counted = {
        "all_query": "all",
        "bad_query": "good",
        "start": 0.0,
        "offsets": [1.0, 2.0],
        "all": [5, 3],
        "bad": [4, 4],
    }
    monkeypatch.setattr("probes.prometheus.events", lambda *_: counted)
    found = traffic(Extension.model_validate({"name": "chaosctl", "slo": {"total": "all", "good": "good"}}), 0.0, 2.0)
    assert found is not None
    assert (found["bad_query"], found["all"], found["bad"]) == ("all - good", [5, 3], [1, 0.0])
