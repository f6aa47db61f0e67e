"""Every number explains itself: its terms, the samples behind them, and what would raise it most. Pure functions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from reports.bounds import mean_interval, wilson_lower
from reports.cells import LATEST, WINDOW, Cell, Track
from reports.record import Record, Series
from reports.score import FORMULA, PASS_MARK, Figures, broken, figures, hard_failures, tolerated
from reports.services import Part, Service
from reports.steady import Window, coverage, fault_window, watch_end
from reports.verdict import judge
from reports.words import after_start, counted, percent
from runner.model import Outcome, format_duration, iso

__all__ = ["Explanation", "Lever", "Term", "explain_cell", "explain_run", "explain_service"]

_DAY = 86400
_GREEN_WANTED = 0.8


@dataclass(frozen=True)
class Term:
    """One term of a score: how it is made up, and what it rests on."""

    name: str
    value: str
    basis: str


@dataclass(frozen=True)
class Lever:
    """Something that would raise the score, by how much; None where it would make one possible at all."""

    gain: float | None
    what: str


@dataclass(frozen=True)
class Explanation:
    """Why a run, a cell or a service has the score that it has; `score` is None where it has none."""

    subject: str
    score: float | None
    sentence: str
    terms: tuple[Term, ...]
    samples: tuple[str, ...]
    levers: tuple[Lever, ...]


def explain_run(record: Record, formula: str = FORMULA) -> Explanation:
    """Return how the score of a run comes about."""
    judgement, window = judge(record, formula), fault_window(record)
    if judgement.score is None or window is None:
        mend = [Lever(None, f"Mend this first: {reason}") for reason in judgement.reasons]
        none = f"No score: {judgement.verdict.value}. {judgement.reasons[0]}"
        return Explanation(record.run, None, none, (), tuple(_samples(record, window)), tuple(mend))
    found = figures(record, window, missing_as=False, formula=formula)
    return Explanation(
        subject=record.run,
        score=judgement.score,
        sentence=f"{judgement.score:g} of 100, {judgement.verdict.value}, by formula {formula}: "
        f"q = 100 * g * (0.6 A + 0.4 R) = 100 * {int(found.intact)} * "
        f"(0.6 * {found.absorbed:.3f} + 0.4 * {found.recovered:.3f})",
        terms=(
            _absorbed(record, window, found),
            _recovered(record, window, found),
            _intact(record, window, found, formula),
        ),
        samples=(*_samples(record, window), *_in_use(record, formula)),
        levers=_by_gain(_run_levers(record, window, found)),
    )


def explain_cell(cell: Cell, now: float) -> Explanation:
    """Return how the score of a cell comes about, by the track that decides it."""
    age = cell.age(now)
    fresh = f"the last valid run was {_days(age)} ago" if age is not None else "no run was ever valid"
    fresh += "; a run is dated ahead" if cell.ahead else ""
    if not cell.tracks or not cell.score:
        none = f"0 of 100: nothing valid in the last {WINDOW / _DAY:.0f} days; {fresh}"
        samples = tuple(_invalid(track) for track in cell.tracks if track.invalid)
        return Explanation(str(cell.key), None, none, (), samples, (_first(cell),))
    track, score = cell.tracks[0], cell.score
    others = f"; {counted(len(cell.tracks) - 1, 'other experiment')} scored higher" if len(cell.tracks) > 1 else ""
    return Explanation(
        subject=str(cell.key),
        score=score.low,
        sentence=f"At least {score.low:g} of 100 by {counted(len(track.runs), 'valid run')}; {fresh}{others}",
        terms=_cell_terms(track),
        samples=(*(_night(track, at) for at in range(len(track.runs))), *([_invalid(track)] if track.invalid else [])),
        levers=_by_gain(_cell_levers(track)),
    )


def explain_service(service: Service) -> Explanation:
    """Return how the score of a service comes about."""
    total = sum(part.weight for part in service.parts)
    weighed = " + ".join(f"{part.weight:g} * {part.low:g}" for part in service.parts)
    if service.score is None:
        none = "No score: no fault is required of it, so there is nothing to weigh."
        ask = Lever(None, "Name the faults that it must bear under `services` in chaosctl.yaml.")
        return Explanation(service.name, None, none, (), (), (ask,))
    terms = [
        Term(part.fault, f"{part.low:g} * {part.weight:g} / {total:g}", _part_basis(part)) for part in service.parts
    ]
    rate = Term("pass rate", f"{service.pass_rate_low:.3f}", "Wilson's lower bound, weighted alike; shown, not scored")
    return Explanation(
        subject=service.name,
        score=service.score,
        sentence=f"{service.score:g} of 100 = ({weighed}) / {total:g}; "
        f"{percent(service.coverage or 0)} of the required faults are covered",
        terms=(*terms, rate),
        samples=tuple(f"{each.key.fault} was run too ({each.low:g}), and is not required" for each in service.others),
        levers=_by_gain(_part_lever(part, total) for part in service.parts),
    )


_AHEAD = "Set the clock of the machine that ran {}: a run is dated ahead, and counts from that time on."


def _first(cell: Cell) -> Lever:
    """Return what to do where nothing is valid."""
    ahead = _AHEAD.format("it") if cell.ahead else ""
    return Lever(None, ahead or _mend(cell) or "Run it: until a run is valid, it counts 0.")


def _absorbed(record: Record, window: Window, found: Figures) -> Term:
    share, limit = found.share, tolerated(record)
    source = "as declared" if record.promise.tolerated is not None else f"10 * (1 - {record.promise.slo:g}%)"
    of = f"samples of {share.series}" if share.series else "events"
    until = after_start(window.effective + share.seconds, record.started)
    return Term(
        "A, absorbed",
        f"max(0, 1 - e / E) = max(0, 1 - {share.value:.4f} / {limit:.4g}) = {found.absorbed:.3f}",
        f"e: {share.bad:,g} bad of {share.all:,g} {of} from {after_start(window.effective, record.started)} "
        f"to {until}, the worst share reached; E: {source}",
    )


def _recovered(record: Record, window: Window, found: Figures) -> Term:
    objective = format_duration(record.promise.objective)
    healed = after_start(window.healed, record.started)
    if found.time is None:
        return Term("R, recovered", "0", f"it was not steady again while it was watched; healed at {healed}")
    late = found.time > record.promise.objective
    made = f"max(0, 1 - log2({found.time:g} / {record.promise.objective:g})) = " if late else ""
    return Term(
        "R, recovered",
        f"{made}{found.recovered:.3f}",
        f"steady again {_after(found.time)}, counted from the heal at {healed}; {objective} promised; "
        f"measured to within {format_duration(found.resolution)}",
    )


def _intact(record: Record, window: Window, found: Figures, formula: str) -> Term:
    if formula == "1":
        return Term("g, invariants", "1", "formula 1 knows none")
    names = [series.probe for series in record.series if series.invariant]
    if not found.intact:
        return Term("g, invariants", "0", f"broke: {', '.join(broken(record, window))}")
    return Term("g, invariants", "1", f"held: {', '.join(names)}" if names else "none is declared")


def _in_use(record: Record, formula: str) -> Iterator[str]:
    """Yield what cells count a run as that was judged by an older formula."""
    if formula != FORMULA:
        now = judge(record)
        score = "no score" if now.score is None else f"{now.score:g} of 100"
        yield f"cells and services count it by formula {FORMULA}: {score}, {now.verdict.value}"


def _samples(record: Record, window: Window | None) -> Iterator[str]:
    for series in record.series:
        yield _series(series, watch_end(record, window.healed) if window else None)
    for fault in record.faults:
        hits = [target.hits for target in fault.targets if target.hits is not None]
        met = f"the workload met it {sum(hits):,} times" if hits else "nobody counted whether the workload met it"
        yield f"{fault.name} at {counted(len(fault.targets), 'target')}: {met}"


def _series(series: Series, end: float | None) -> str:
    good, bad = (sum(each is wanted for each in series.outcomes) for wanted in (Outcome.GOOD, Outcome.BAD))
    owed = f", {' of '.join(map(str, coverage(series, end)))} owed" if end is not None else ""
    return (
        f"{series.probe}: {good} good, {bad} bad, {len(series.outcomes) - good - bad} without data{owed}, "
        f"every {format_duration(series.interval)}"
    )


def _run_levers(record: Record, window: Window, found: Figures) -> Iterator[Lever]:
    for probe in hard_failures(record, window, found.steady):
        yield Lever(None, f"Keep {probe} within its tolerance: it is hard, so it fails the run whatever the score.")
    ceiling = 100 * found.intact
    if not found.intact:
        yield Lever(
            100 * (0.6 * found.absorbed + 0.4 * found.recovered), "Keep the invariants: nothing counts without."
        )
        return
    limit = tolerated(record)
    if lost := ceiling * 0.6 * (1 - found.absorbed):
        yield Lever(lost, f"Have no bad events: {percent(found.share.value)} were, {percent(limit)} are tolerated.")
    if lost := ceiling * 0.4 * (1 - found.recovered):
        yield Lever(lost, f"Recover within {format_duration(record.promise.objective)}.")
    needed = (PASS_MARK / 100 - 0.4 * found.recovered) / 0.6
    if found.score < PASS_MARK and needed <= 1:
        share = percent(max(0.0, (1 - needed) * limit))
        yield Lever(PASS_MARK - found.score, f"Enough to reach {PASS_MARK:g}: at most {share} of events bad.")


def _cell_terms(track: Track) -> tuple[Term, ...]:
    assert track.score  # noqa: S101 - the caller looked
    runs, score = track.runs, track.score
    first, last = (iso(run.started)[:10] for run in (runs[0], runs[-1]))
    return (
        Term(
            "mean q", f"{score.mean:g}", f"{counted(len(runs), 'valid run')} of {track.experiment}, {first} to {last}"
        ),
        Term(
            "interval",
            f"{score.low:g} to {score.high:g}",
            "95%, bootstrap; at its low end with one more night that scores 0",
        ),
        Term(
            "pass rate", f"at least {track.pass_rate_low:.3f}", f"Wilson's lower bound of {track.passed} of {len(runs)}"
        ),
    )


def _cell_levers(track: Track) -> Iterator[Lever]:
    assert track.score  # noqa: S101 - the caller looked
    scores = [run.score for run in track.runs if run.score is not None]
    low, more = track.score.low, LATEST - len(scores)
    if more > 0:
        full = mean_interval(list(islice(cycle(scores), LATEST))).low
        yield Lever(full - low, f"Run it {counted(more, 'night')} more with scores like these.")
    yield Lever(mean_interval([100.0] * len(scores)).low - low, "Score 100 in as many runs.")
    failed = [run for run in track.runs if not run.passed]
    if failed:
        kept = [PASS_MARK if not run.passed else run.score or 0.0 for run in track.runs]
        yield Lever(mean_interval(kept).low - low, f"Turn its {counted(len(failed), 'failure')} into bare passes.")
    green = next((n for n in range(500) if wilson_lower(track.passed + n, len(scores) + n) >= _GREEN_WANTED), None)
    if green:
        wanted = f"{green} more {'pass' if green == 1 else 'passes'} in a row bring"
        yield Lever(None, f"{wanted} the pass rate's bound to {_GREEN_WANTED:g}.")
    if mend := _mend(track):
        yield Lever(None, mend)


def _mend(of: Cell | Track, where: str = "see above", under: str = "") -> str:
    """Return what to mend so that its runs say something; nothing where all of them did."""
    return f"Mend what made {counted(of.invalid, 'run')}{under} say nothing; {where}." if of.invalid else ""


def _night(track: Track, at: int) -> str:
    run = track.runs[at]
    time = "never steady again" if run.recovery_time is None else f"steady again {_after(run.recovery_time)}"
    share = "-" if run.bad_share is None else percent(run.bad_share)
    return f"{run.run}: {run.verdict.value}, {run.score:g}; {share} bad, {time}"


def _invalid(track: Track) -> str:
    why = "; ".join(f"{number} x {reason}" for reason, number in track.why_invalid[:3])
    return f"{counted(track.invalid, 'run')} said nothing: {why}"


def _part_basis(part: Part) -> str:
    if not part.covered:
        return f"{part.state}: it counts 0"
    assert part.cell  # noqa: S101 - it is covered
    return f"the lower bound of the mean score over {counted(part.cell.valid, 'valid run')}"


def _part_lever(part: Part, total: float) -> Lever:
    gain = part.weight * (100 - part.low) / total
    if not part.covered:
        ahead = _AHEAD.format(part.fault) if part.cell and part.cell.ahead else ""
        mend = _mend(part.cell, "explain the cell to see why", f" of {part.fault}") if part.cell else ""
        what = ahead or mend or f"Run {part.fault}: {part.state}."
        return Lever(gain, f"{what} The gain is that of a score of 100.")
    return Lever(gain, f"Bring {part.fault} from {part.low:g} to 100; explain the cell to see how.")


def _by_gain(levers: Iterator[Lever] | Sequence[Lever]) -> tuple[Lever, ...]:
    """Return what helps, the most first, what cannot be measured last."""
    kept = [lever for lever in levers if lever.gain is None or round(lever.gain, 1) > 0]
    return tuple(sorted(kept, key=lambda lever: (lever.gain is None, -(lever.gain or 0.0))))


def _after(seconds: float) -> str:
    return f"after {format_duration(seconds)}" if seconds else "at once"


def _days(seconds: float) -> str:
    return counted(seconds / 3600, "hour") if seconds < 2 * _DAY else counted(seconds / _DAY, "day")
