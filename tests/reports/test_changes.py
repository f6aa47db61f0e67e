"""What differs between two runs."""

from reports.changes import Change, changes, outcome_changes
from reports.record import Promise
from tests.reports._records import ORIGIN, bad_at, events, fault, record, series, target


def test_labels_come_first_then_versions_and_what_was_asked_for() -> None:
    before = record(origin=ORIGIN.model_copy(update={"labels": {"git": "4f2a", "image": "pay:1"}}))
    later = ORIGIN.model_copy(
        update={"labels": {"git": "4f2a", "image": "pay:2", "chart": "3"}, "versions": {"chaosctl": "1"}}
    )
    after = record(origin=later, promise=Promise(service="payment", objective=20.0), faults=(fault(target("netns:b")),))
    assert changes(before, after) == [
        Change("chart", "-", "3"),
        Change("image", "pay:1", "pay:2"),
        Change("version of chaosctl", "0", "1"),
        Change("objective", "30s", "20s"),
        Change("targets", "netns:payment-api", "netns:b"),
    ]
    assert changes(before, before) == []


def test_what_came_out_otherwise_is_told_in_figures() -> None:
    worse = record(events=events({70: 100.0}), series=(series(bad_at(*range(118, 125)), hard=False),))
    told = {change.what: (change.before, change.after) for change in outcome_changes(record(events=events()), worse)}
    assert told["bad share"] == ("0.00%", "1.67%")
    assert told["recovery time"] == ("0ms", "4s")
    assert "verdict" not in told
    assert outcome_changes(worse, worse) == []
