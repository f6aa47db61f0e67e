"""The report for a terminal: what it says, and that it fits."""

import re

import pytest

from reports.record import Problem, Promise, Record, ShareRecord
from reports.text import summary
from reports.verdict import judged
from runner.model import Outcome
from tests.reports._records import SECONDS, bad_at, events, fault, gate, random_record, record, series, target

STORED = "Stored in sqlite:////var/lib/chaosctl/store.db."
LONG = "a name that somebody made as long as names get when they hold a cluster, a namespace and a workload, " * 2


SHARES = ShareRecord(service=LONG, picked=1, of=3), ShareRecord(service="payment/whole", picked=2, of=2)


def dipping() -> Record:
    return record(series=(series(bad_at(*range(70, 75)), "checkout-p99", hard=False),), events=events({70: 30.0}))


def test_the_report_tells_verdict_reasons_fault_proof_and_where_it_is_kept() -> None:
    lines = [line.strip() for line in summary(dipping(), STORED).splitlines()]
    assert lines[0] == "Passed, 97 of 100"
    assert lines[2] == "payment in lab, started 2027-01-15 08:00:00 UTC by ada on ops-1, took 3m"
    assert "network-dns: 1 pod in payment cannot resolve redis-cluster for 60 s." in lines
    assert "before  absent   +2.0s             redis-cluster resolves to 10.0.0.5" in lines
    assert "during  present  +61.0s            redis-cluster: no answer within 2s" in lines
    assert "in place from +60.0s until +120.0s, ended by its deadline" in lines
    assert "met by the workload 214 times" in lines
    assert "checkout-p99 (soft, every 1s): 175 good, 5 bad, 0 to 42" in lines
    assert lines[-2:] == [STORED, "Look at it again: chaosctl report show run-1"]


def test_run_that_chose_no_environment_is_told_without_one() -> None:
    nowhere = dipping().model_copy(update={"promise": Promise()})
    nowhere = nowhere.model_copy(update={"origin": nowhere.origin.model_copy(update={"environment": ""})})
    assert summary(nowhere).splitlines()[2] == "started 2027-01-15 08:00:00 UTC by ada on ops-1, took 3m"


def test_part_of_a_service_is_told_and_a_whole_one_is_not() -> None:
    text = summary(record(faults=(fault(shares=SHARES),)))
    assert "For 1 of 3 replicas of a name that" in text
    assert "payment/whole" not in text


def test_recovery_is_told_with_its_resolution() -> None:
    late = record(series=(series(bad_at(*range(118, 125)), hard=False),), events=events())
    text = " ".join(summary(late).split())
    assert "The service was steady again after 4s, measured to within 2s, where 30s are promised." in text


def test_the_chart_shows_the_dip_its_marks_and_the_fault_in_the_same_columns() -> None:
    lines = summary(dipping()).splitlines()
    chart = next(line for line in lines if "█" in line)
    marks = next(line for line in lines if set(line.strip()) == {"x"})
    bracket = next(line for line in lines if "├" in line)
    dip = [column for column, block in enumerate(chart) if block == "▁"]
    assert dip == [column for column, mark in enumerate(marks) if mark == "x"]
    assert bracket.index("├") < dip[0] < dip[-1] < bracket.index("┤")


REPORTS = {
    "passed": dipping(),
    "a long name everywhere": record(
        experiment=record().experiment.model_copy(update={"title": LONG}),
        faults=(fault(target(f"netns:{LONG}".replace(" ", "-")), sentence=LONG, notes=(LONG,), shares=SHARES),),
        series=(series(probe=LONG),),
    ),
    "an injection": record(kind="inject", series=()),
    "a gate": gate(Outcome.GOOD, Outcome.BAD),
    "aborted": record(problem=Problem(kind="aborted", message=LONG)),
    "residue": record(residue=(LONG,)),
    "no recovery": record(series=(series(bad_at(*range(62, SECONDS))),)),
    "no target": record(faults=(fault().model_copy(update={"targets": ()}),)),
    "no look": record(faults=(fault(target(looks=(), committed=None, ended=None, hits=None)),)),
    "many targets": record(faults=(fault(*(target(f"netns:payment-{number:03}") for number in range(120))),)),
    "an hour": record(
        series=(series([Outcome.GOOD] * 241, interval=15.0, offsets=tuple(range(0, 3615, 15))),),
        promise=Promise(service=LONG),
    ),
}


@pytest.mark.parametrize("shown", REPORTS.values(), ids=REPORTS.keys())
def test_every_report_fits_80_columns(shown: Record) -> None:
    for line in summary(shown, LONG).splitlines():
        assert len(line) <= 80, line


def test_random_reports_fit_80_columns() -> None:
    assert all(len(line) <= 80 for seed in range(40) for line in summary(random_record(seed)).splitlines())


def test_colour_adds_nothing_but_colour() -> None:
    for shown in REPORTS.values():
        coloured = summary(shown, STORED, colour=True)
        assert "\x1b[" in coloured
        assert re.sub(r"\x1b\[\d+m", "", coloured) == summary(shown, STORED)
        assert "\x1b" not in summary(shown, STORED)


@pytest.mark.parametrize(
    ("shown", "heading"),
    [
        ("passed", "Passed, 97 of 100"),
        ("an injection", "Proven and healed"),
        ("a gate", "Failed"),
        ("aborted", "Aborted"),
        ("residue", "Residue: something was left behind"),
        ("no recovery", "Failed, 0 of 100"),
        ("no target", "Inconclusive"),
    ],
)
def test_the_first_line_is_the_verdict(shown: str, heading: str) -> None:
    assert summary(REPORTS[shown]).splitlines()[0] == heading


def test_a_stored_judgement_is_shown_as_it_was_stored() -> None:
    done = judged(dipping())
    assert done.judgement is not None
    other = done.model_copy(update={"judgement": done.judgement.model_copy(update={"score": 12.5})})
    assert summary(other).startswith("Passed, 12.5 of 100")
