"""Summaries: what is kept of a record."""

from reports.history import RunSummary
from reports.verdict import judge, judged
from tests.reports._records import bad_at, fault, random_record, record, series, target


def test_a_summary_says_what_its_record_says() -> None:
    late = judged(record(series=(series(bad_at(*range(70, 125)), hard=False),)))
    told, judgement = RunSummary.of(late), late.judgement
    assert judgement is not None
    assert (told.score, told.absorbed, told.recovered) == (judgement.score, judgement.absorbed, judgement.recovered)
    assert (told.recovery_time, told.bad_share, told.reason) == (4.0, judgement.bad_share, judgement.reasons[0])
    assert (told.service, told.faults, told.environment) == ("payment", ("network-dns",), "lab")
    assert (told.valid, told.passed) == (True, False)


def test_a_run_that_says_nothing_is_not_valid_and_says_why() -> None:
    told = RunSummary.of(record(faults=(fault(target(hits=0)),)))
    assert (told.valid, told.passed, told.score) == (False, False, None)
    assert "never met" in told.reason


def test_the_summary_of_a_record_is_the_same_judged_or_not() -> None:
    for seed in range(30):
        plain = random_record(seed)
        assert RunSummary.of(plain) == RunSummary.of(judged(plain))
        assert RunSummary.of(plain).score == judge(plain).score
