"""JUnit: what is red in CI, and why."""

from typing import Any

import pytest
from defusedxml.ElementTree import fromstring

from reports.exports.junit import NotRun, junit
from reports.record import Problem, Record
from runner.model import Outcome
from tests.reports._records import bad_at, events, fault, gate, record, series, target


def parsed(*records: Record, not_run: tuple[NotRun, ...] = ()) -> Any:
    return fromstring(junit(records, not_run))


def told(suites: Any) -> dict[str, str]:
    """Return what came of each case: `passed`, `failure` or `error`."""
    return {
        f"{case.get('classname')}: {case.get('name')}": next((child.tag for child in case), "passed")
        for case in suites.iter("testcase")
    }


def test_there_is_a_case_for_each_fault_target_and_probe() -> None:
    two = (fault(target("a"), target("b")), fault(target("c"), name="etcd-latency"))
    assert told(parsed(record(faults=two, series=(series(probe="p"), series(probe="q")), events=events()))) == {
        "payment.network-dns: a: p": "passed",
        "payment.network-dns: a: q": "passed",
        "payment.network-dns: b: p": "passed",
        "payment.network-dns: b: q": "passed",
        "payment.etcd-latency: c: p": "passed",
        "payment.etcd-latency: c: q": "passed",
        "payment: verdict": "passed",
    }


def test_a_hard_probe_that_failed_is_a_failure_and_a_soft_one_is_not() -> None:
    many = (series(bad_at(70, 71), "hard one"), series(bad_at(70), "soft one", hard=False))
    suites = parsed(record(series=many, events=events()))
    assert told(suites) == {
        "payment.network-dns: netns:payment-api: hard one": "failure",
        "payment.network-dns: netns:payment-api: soft one": "passed",
        "payment: verdict": "failure",
    }
    assert (suites.get("tests"), suites.get("failures"), suites.get("errors")) == ("3", "2", "0")
    message = suites.find(".//failure").get("message")
    assert message == "2 samples out of tolerance, the first at +70.0s"


def test_a_score_too_low_is_red_though_no_hard_probe_failed() -> None:
    low = record(events=events(dict.fromkeys(range(62, 122), 9.0)))
    assert list(told(parsed(low)).values()) == ["passed", "failure"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"faults": (fault(target(hits=0)),)}, "inconclusive"),
        ({"series": (series((Outcome.NO_SERIES,) * 180),)}, "inconclusive"),
        ({"problem": Problem(kind="aborted", message="Stopped by SIGINT.")}, "aborted"),
        ({"problem": Problem(kind="error", message="nft is missing.")}, "error"),
        ({"residue": ("table inet chaos_f1",)}, "residue"),
        ({"dry": True}, "inconclusive"),
        ({"faults": (), "series": ()}, "inconclusive"),
    ],
)
def test_what_is_not_known_is_an_error_in_every_case(changes: dict[str, Any], kind: str) -> None:
    suites = parsed(record(**changes))
    assert set(told(suites).values()) == {"error"}
    assert {error.get("type") for error in suites.iter("error")} == {kind}
    assert suites.get("errors") == suites.get("tests")


def test_what_did_not_run_is_red() -> None:
    suites = parsed(record(), not_run=(NotRun("experiments/etcd.yaml", "No run of it is among these."),))
    assert told(suites)["experiments/etcd.yaml: did not run"] == "error"
    assert suites.get("errors") == "1"
    assert parsed(not_run=(NotRun("x", "y"),)).get("errors") == "1"


def test_a_gate_has_a_case_for_each_probe() -> None:
    assert list(told(parsed(gate(Outcome.GOOD, Outcome.BAD))).values()) == ["passed", "failure", "failure"]


def test_nothing_is_ever_skipped_and_odd_text_is_still_xml() -> None:
    odd = record(problem=Problem(kind="error", message="\x00 <b>&amp;\ufffe"))
    suites = parsed(odd)
    assert suites.find(".//error").get("message") == " <b>&amp;"
    assert [suite.get("skipped") for suite in suites] == ["0"]
