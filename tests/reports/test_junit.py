"""JUnit reports: what others' tests say is kept, and never taken for more than that."""

import pytest

from reports.junit import MOST_CASES, Source, imported
from reports.verdict import judge
from runner.errors import UsageError
from runner.model import Outcome, Verdict

SOURCE = Source("payment", "ci", "token 1", "10.0.0.9", 1_800_000_000.0)
MIXED = b"""<?xml version="1.0"?>
<testsuites name="nightly"><testsuite name="smoke" timestamp="2027-01-15T08:00:00">
  <testcase classname="cart" name="adds" time="0.25"/>
  <testcase classname="cart" name="pays"><failure message="503"/></testcase>
  <testcase name="boots"><error>no route</error></testcase>
  <testcase name="later"><skipped/></testcase>
</testsuite></testsuites>"""
BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
FILE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&a;"/></testsuite>"""


def test_each_case_is_a_series_with_what_it_came_to() -> None:
    record = imported(MIXED, SOURCE)
    told = [(series.probe, series.outcomes[0], series.detail) for series in record.series]
    assert told == [
        ("cart.adds", Outcome.GOOD, ""),
        ("cart.pays", Outcome.BAD, "503"),
        ("boots", Outcome.FAILED, "no route"),
        ("later", Outcome.NO_SERIES, ""),
    ]
    assert (record.kind, record.experiment.title, record.promise.service) == ("junit", "nightly", "payment")
    assert record.started == 1_800_000_000.0


def test_a_failure_is_a_fail_and_a_pass_is_never_resilience() -> None:
    failed = judge(imported(MIXED, SOURCE))
    assert (failed.verdict, failed.score) == (Verdict.FAIL, None)
    assert failed.reasons == (
        "1 test of 4 failed by a JUnit report, unverified: cart.pays.",
        "1 test of 4 ended in an error by a JUnit report, which tells nothing of the service: boots.",
    )
    passed = judge(imported(b'<testsuite><testcase name="a"/></testsuite>', SOURCE))
    assert (passed.verdict, passed.score) == (Verdict.INCONCLUSIVE, None)
    assert "It is unverified" in passed.reasons[0]


def test_errors_conclude_nothing_and_are_counted_and_named_first() -> None:
    cases = b"".join(b'<testcase name="%c"><error/></testcase>' % letter for letter in b"abcde")
    found = judge(imported(b"<testsuite>%s<testcase name='f'><skipped/></testcase></testsuite>" % cases, SOURCE))
    assert (found.verdict, found.score) == (Verdict.INCONCLUSIVE, None)
    assert found.reasons[0] == (
        "5 tests of 6 ended in an error by a JUnit report, which tells nothing of the service: a, b, c and 2 more."
    )
    assert found.reasons[1].startswith("0 tests of 6 passed by a JUnit report, 1 skipped. It is unverified")


def test_a_case_that_failed_and_then_ended_in_an_error_has_failed() -> None:
    torn = b'<testsuite><testcase name="a"><error message="teardown"/><failure message="503"/></testcase></testsuite>'
    record = imported(torn, SOURCE)
    assert (record.series[0].detail, judge(record).verdict) == ("503", Verdict.FAIL)


def test_the_same_report_is_the_same_run_and_of_another_service_another() -> None:
    later = Source("payment", "ci", "token 2", "10.0.0.8", SOURCE.received + 99)
    other = Source("orders", "ci", "token 1", "10.0.0.9", SOURCE.received)
    assert imported(MIXED, SOURCE).run == imported(MIXED, later).run != imported(MIXED, other).run


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BOMB, "document type or entities"),
        (FILE, "document type or entities"),
        (b"no", "not XML"),
        (b"", "not XML"),
        (b"<html/>", "no JUnit report"),
        (b"<testsuite/>", "no JUnit report"),
        (b"<testsuite>" + b"<testcase/>" * (MOST_CASES + 1) + b"</testsuite>", "at most 5,000"),
    ],
)
def test_what_is_no_report_or_an_attack_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        imported(content, SOURCE)
