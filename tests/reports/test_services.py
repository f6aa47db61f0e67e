"""Services and the fleet: what is required, what was never run, and what matters."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.cells import DAY, Cell, Key, cells
from reports.services import Declared, Service, fleet, services
from tests.reports._nights import NOW, night, nights

EVERY = ("dns", "etcd", "heartbeat")


def green(
    service: str = "payment", fault: str = "dns", score: float = 100.0, weight: float = 1.0
) -> Mapping[Key, Cell]:
    return cells(nights([score] * 14, service=service, faults=(fault,), weight=weight), NOW)


def only(found: Mapping[Key, Cell], declared: Mapping[str, Declared]) -> Service:
    (service,) = services(found, declared, "preprod")
    return service


def test_a_fault_that_was_never_run_counts_0_and_says_so() -> None:
    """14 nights of 100 are 80; with weights 1, 2 and 1 and the other two never run that is 80 / 4."""
    found = only(green(), {"payment": Declared(requires={"dns": 1.0, "etcd": 2.0, "heartbeat": 1.0})})
    assert found.score == 20.0
    assert found.coverage == pytest.approx(1 / 3)
    assert [(part.fault, part.low, part.state) for part in found.parts] == [
        ("etcd", 0.0, "never run"),
        ("heartbeat", 0.0, "never run"),
        ("dns", 80.0, "covered"),
    ]
    assert found.pass_rate_low == pytest.approx(0.785 / 4, abs=0.001)


def test_what_experiments_require_is_required_where_nothing_else_is_said() -> None:
    assert only(green(weight=2.0), {}).score == 80.0
    optional = cells(nights([100.0] * 14, required=False), NOW)
    found = only(optional, {})
    assert (found.score, found.coverage, len(found.others)) == (None, None, 1)


def test_declared_weights_win_over_those_of_experiments() -> None:
    found = {**green(fault="dns", weight=9.0), **green(fault="etcd", score=0.0)}
    assert only(found, {"payment": Declared(requires={"dns": 1.0})}).score == 40.0


def test_an_expired_and_a_never_valid_fault_count_0_by_their_names() -> None:
    old = cells([night(50, faults=("dns",)), *nights([None] * 3, faults=("etcd",))], NOW)
    assert [(part.fault, part.state) for part in only(old, {}).parts] == [("dns", "expired"), ("etcd", "never valid")]
    assert only(old, {}).score == 0.0


def test_a_run_dated_ahead_counts_from_then_on_and_is_told_as_what_it_is() -> None:
    for now, state, last in ((NOW, "dated ahead", None), (NOW + DAY, "covered", NOW + DAY / 2)):
        (part,) = only(cells([night(-0.5)], now), {}).parts
        assert part.cell is not None
        assert (part.state, part.cell.last_run, part.cell.last_valid) == (state, last, last)
    (part,) = only(cells([night(1), night(-0.5)], NOW), {}).parts
    assert part.cell is not None
    assert (part.state, part.cell.last_valid) == ("covered", NOW - DAY)


def test_a_service_that_is_only_declared_has_the_score_0() -> None:
    assert only({}, {"payment": Declared(requires={"dns": 1.0})}).score == 0.0


def test_weights_are_matched_by_the_whole_name_and_no_score_is_above_100() -> None:
    """Elsewhere `pay` took the weight of `payment`, and a score was above 100."""
    found = {**green("pay", "dns"), **green("payment", "dns-cache", 40.0), **green("payment", "dns", weight=50.0)}
    declared = {"payment": Declared(requires={"dns-cache": 3.0}), "pay": Declared(requires={"dns": 500.0})}
    scores = {service.name: service.score for service in services(found, declared, "preprod")}
    assert scores["pay"] == 80.0
    assert scores["payment"] == round((3 * 32.0 + 50 * 80.0) / 53, 1)


def test_the_fleet_is_the_mean_by_criticality_and_shows_the_worst() -> None:
    found = {**green("payment", score=100.0), **green("orders", score=50.0)}
    whole = fleet(found, {"payment": Declared(criticality=3.0)}, "preprod")
    assert whole.score == (3 * 80.0 + 40.0) / 4
    assert whole.worst is not None
    assert whole.worst.name == "orders"


def test_environments_are_scored_apart_and_nothing_is_no_score() -> None:
    assert fleet(green(), {}, "lab").score is None
    assert fleet({}, {}, "lab").worst is None


@given(
    st.dictionaries(st.sampled_from(EVERY), st.floats(0, 100).map(lambda s: round(s, 1)), min_size=1),
    st.dictionaries(st.sampled_from(EVERY), st.floats(0.01, 100)),
)
def test_a_service_lies_between_its_worst_and_its_best_fault(
    scores: Mapping[str, float], weights: Mapping[str, float]
) -> None:
    found = {key: cell for fault, score in scores.items() for key, cell in green(fault=fault, score=score).items()}
    whole = only(found, {"payment": Declared(requires=weights)})
    lows = [part.low for part in whole.parts]
    assert whole.score is not None
    assert min(lows) - 0.06 <= whole.score <= max(lows) + 0.06
    assert (whole.coverage == 1) == (set(weights) <= set(scores))


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_one_more_fault_that_was_never_run_never_raises_a_score(weight: float, more: float) -> None:
    before = only(green(), {"payment": Declared(requires={"dns": weight})})
    after = only(green(), {"payment": Declared(requires={"dns": weight, "etcd": more})})
    assert before.score is not None
    assert after.score is not None
    assert after.score <= before.score
