"""Charts in block characters: height, gaps, marks and brackets."""

from reports.chart import WIDTH, Axis, Paint, axis_lines, axis_of, series_lines
from runner.model import Outcome
from tests.reports._records import COMMITTED, HEALED, START, bad_at, fault, record, series, target

WHOLE = Axis(START, START + 179)
PLAIN = Paint()


def test_a_steady_number_with_noise_stays_flat() -> None:
    noisy = series(values=tuple(100 + second % 3 for second in range(180)))
    assert series_lines(noisy, WHOLE, PLAIN) == ["█" * WIDTH]


def test_a_bad_sample_is_marked_even_among_good_ones_in_its_column() -> None:
    chart, marks = series_lines(series(bad_at(90)), WHOLE, PLAIN)
    assert marks.rstrip() == " " * WHOLE.column(START + 90) + "x"
    assert chart[WHOLE.column(START + 90)] == "▁"
    assert chart.count("█") == WIDTH - 1


def test_what_is_not_known_is_a_dot_and_no_bad_sample() -> None:
    lines = series_lines(series(bad_at(*range(80, 100), outcome=Outcome.UNREACHABLE)), WHOLE, PLAIN)
    assert len(lines) == 1
    assert set(lines[0][WHOLE.column(START + 82) : WHOLE.column(START + 98)]) == {"·"}


def test_a_truth_value_is_high_when_good_and_low_when_bad() -> None:
    answers = tuple(second not in range(60, 120) for second in range(180))
    resolves = series(bad_at(*range(60, 120)), values=answers)
    chart, _ = series_lines(resolves, WHOLE, PLAIN)
    assert set(chart) == {"▇", "▁"}


def test_few_samples_are_drawn_out_to_the_next_and_gaps_are_not() -> None:
    sparse = series([Outcome.GOOD] * 8, interval=15.0, offsets=(0, 15, 30, 45, 60, 120, 135, 150))
    (chart,) = series_lines(sparse, Axis(START, START + 150), PLAIN)
    assert chart.startswith("█" * 28)
    assert "·" * 10 in chart
    assert chart.endswith("█" * 14)


def test_the_bracket_spans_first_commit_to_last_heal() -> None:
    two = fault(target(committed=COMMITTED - 10), target("netns:b", healed=HEALED + 10))
    bracket, times = axis_lines(record(faults=(two,)), WHOLE, PLAIN)
    assert bracket.index("├") == WHOLE.column(COMMITTED - 10)
    assert bracket.index("┤") == WHOLE.column(HEALED + 10)
    assert " network-dns " in bracket
    assert times.startswith("+0.0s")
    assert times.endswith("+179.0s")


def test_a_bracket_too_narrow_for_its_name_has_it_beside() -> None:
    early = fault(target(healed=COMMITTED + 1, ended=COMMITTED + 1))
    late = fault(target(committed=START + 176, healed=START + 178))
    first, second, _ = axis_lines(record(faults=(early, late)), WHOLE, PLAIN)
    assert first.endswith("┤ network-dns")
    assert second.index("├") == WHOLE.column(START + 176)
    assert " network-dns ├" in second


def test_a_fault_that_was_never_in_place_has_no_bracket() -> None:
    assert len(axis_lines(record(faults=(fault(target(committed=None)),)), WHOLE, PLAIN)) == 1


def test_the_axis_reaches_to_the_last_sample() -> None:
    assert axis_of(record()) == WHOLE
    assert axis_of(record(series=())) == Axis(START, START + 180)


def test_a_baseline_from_before_the_run_is_on_the_axis() -> None:
    early = record(started=START + 30)
    assert axis_of(early) == WHOLE
    assert axis_lines(early, WHOLE, PLAIN)[-1].startswith("-30.0s")


def test_a_series_without_samples_is_dots_however_short_the_run() -> None:
    (chart,) = series_lines(series((), offsets=()), Axis(START, START + 0.1), PLAIN)
    assert set(chart) == {"·"}
