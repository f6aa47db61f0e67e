"""The verdict on a run: a pure function of its record."""

from collections.abc import Sequence

from reports.record import Judgement, Record
from reports.score import (
    FORMULA,
    FORMULAS,
    LEAST_EVENTS,
    PASS_MARK,
    Figures,
    broken,
    counted_until,
    figures,
    hard_failures,
    tolerated,
)
from reports.steady import Window, fault_window, samples
from reports.validity import flaws, is_gate
from reports.words import after_start, counted, listed, percent
from runner.errors import Residue, UsageError
from runner.model import Outcome, Verdict, format_duration

__all__ = ["check_formula", "judge", "judged", "unjudgeable"]

_BUDGET_DAYS = 30
_UNVERIFIED = {
    Outcome.BAD: "failed by a JUnit report, unverified",
    Outcome.FAILED: "ended in an error by a JUnit report, which tells nothing of the service",
}


def judged(record: Record) -> Record:
    """Return the record with its judgement filled in; one that was judged before stays as it is."""
    return record if record.judgement else record.model_copy(update={"judgement": judge(record)})


def judge(record: Record, formula: str = FORMULA) -> Judgement:
    """Return verdict, reasons and score of a run, the deciding reason first.

    The first that applies decides: residue, error, abort, not valid, fail, pass. Raises UsageError for a formula that
    there is not.
    """
    check_formula(formula)
    return _judge(record, formula).model_copy(update={"formula": formula})


def check_formula(formula: str) -> None:
    """Raise UsageError for a formula that there is not."""
    if formula not in FORMULAS:
        raise UsageError(f"There is no formula {formula!r}.", f"Known: {', '.join(FORMULAS)}; the last one is in use.")


def unjudgeable(error: Exception) -> Judgement:
    """Return the judgement of a record that was taken and that judge() stumbles over: an error, which has no score."""
    return _unscored(Verdict.ERROR, [f"Its figures cannot be judged: {error}. This is a bug of chaosctl; report it."])


def _judge(record: Record, formula: str) -> Judgement:  # noqa: PLR0911 - one for each rule, in their order
    if record.kind == "junit":
        return _imported(record)
    if record.residue:
        return _unscored(
            Verdict.ERROR, [f"Something could not be undone: {rest}" for rest in record.residue], Residue.exit_code
        )
    if record.problem and record.problem.kind != "inconclusive":
        return _unscored(Verdict(record.problem.kind), [record.problem.message])
    if found := flaws(record):
        return _unscored(Verdict.INCONCLUSIVE, found)
    if record.kind == "inject":
        return _unscored(Verdict.PASS, _injected(record))
    if is_gate(record):
        return _gate(record)
    window = fault_window(record)
    assert window is not None  # noqa: S101 - flaws() names every record without one
    return _scored(record, window, formula)


def _unscored(verdict: Verdict, reasons: Sequence[str], exit_code: int | None = None) -> Judgement:
    return Judgement(
        verdict=verdict,
        reasons=tuple(reasons),
        score=None,
        formula=FORMULA,
        exit_code=verdict.exit_code if exit_code is None else exit_code,
    )


def _imported(record: Record) -> Judgement:
    """Judge what somebody else's tests say: they may show a weakness, never resilience, because nothing is proven."""
    named: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for series in record.series:
        for outcome in series.outcomes:
            named[outcome].append(series.probe)
    reasons = [
        f"{counted(len(named[outcome]), 'test')} of {len(record.series):,} {what}: {listed(named[outcome])}."
        for outcome, what in _UNVERIFIED.items()
        if named[outcome]
    ]
    if named[Outcome.BAD]:
        return _unscored(Verdict.FAIL, reasons)
    skipped = f", {len(named[Outcome.NO_SERIES]):,} skipped" if named[Outcome.NO_SERIES] else ""
    told = f"{counted(len(named[Outcome.GOOD]), 'test')} of {len(record.series):,} passed by a JUnit report{skipped}."
    unproven = f"{told} It is unverified: no fault was proven, so nothing is concluded."
    return _unscored(Verdict.INCONCLUSIVE, [*reasons, unproven])


def _injected(record: Record) -> list[str]:
    names = listed(sorted({fault.name for fault in record.faults}))
    targets = sum(len(fault.targets) for fault in record.faults)
    return [
        f"{names} was seen absent, present and absent again at {counted(targets, 'target')}; "
        "an injection alone judges nothing else."
    ]


def _gate(record: Record) -> Judgement:
    failed = {series.probe: bad for series in record.series if (bad := samples(series).bad())}
    if failed:
        return _unscored(
            Verdict.FAIL,
            [
                f"{probe} did not hold: {counted(len(bad), 'sample')} out of tolerance, "
                f"first at {after_start(bad[0].at, record.started)}."
                for probe, bad in failed.items()
            ],
        )
    return _unscored(Verdict.PASS, [f"All held: {listed(sorted({series.probe for series in record.series}), 8)}."])


def _scored(record: Record, window: Window, formula: str) -> Judgement:
    """Judge a valid run twice, its missing samples taken as bad and as good: where that decides, nothing is known."""
    worst = figures(record, window, missing_as=False, formula=formula)
    best = figures(record, window, missing_as=True, formula=formula) if worst.missing else worst
    if reasons := _too_little(record, window, worst):
        return _unscored(Verdict.INCONCLUSIVE, reasons)
    failures = _failures(record, window, worst)
    if failures and not _failures(record, window, best):
        return _unscored(Verdict.INCONCLUSIVE, [_undecided(worst, best)])
    verdict = Verdict.FAIL if failures else Verdict.PASS
    deciding = failures or [_passed(record, worst)]
    return Judgement(
        verdict=verdict,
        reasons=(*deciding, *_basis(record, worst)),
        score=worst.score,
        formula=FORMULA,
        bad_share=worst.share.value,
        events=worst.events,
        absorbed=worst.absorbed,
        recovered=worst.recovered,
        recovery_time=worst.time,
        recovery_resolution=worst.resolution,
        steady_again=worst.steady,
        exit_code=verdict.exit_code,
    )


def _too_little(record: Record, window: Window, worst: Figures) -> list[str]:
    """Return why the service's own events do not suffice; nothing where the record has none of them."""
    if record.events is None:
        return []
    reasons = []
    if worst.events is None or worst.events < LEAST_EVENTS:
        reasons.append(
            f"The service had {counted(worst.events or 0, 'event')} from the first effect until it was steady again; "
            f"under {LEAST_EVENTS} a share says nothing. Put more traffic on it, or keep the fault for longer."
        )
    last = counted_until(record.events, window)
    step = max(series.interval for series in record.series)
    needed = window.healed if worst.steady is None else worst.steady
    if record.events.start > window.effective or last is None or last + step < needed:
        reasons.append("The event counters do not reach from the first effect until the service was steady again.")
    return reasons


def _undecided(worst: Figures, best: Figures) -> str:
    return (
        f"{counted(worst.missing, 'sample')} missing after the first effect would decide: "
        f"taken as good the score is {best.score:g} and the run passes, taken as bad it is {worst.score:g} and fails."
    )


def _failures(record: Record, window: Window, found: Figures) -> list[str]:
    reasons = [] if found.intact else _broken(record, window)
    reasons += [
        f"The hard probe {probe} left its tolerance: {counted(len(bad), 'sample')} bad, the first at "
        f"{after_start(bad[0].at, record.started)}, {format_duration(bad[0].at - window.effective)} after the "
        "fault was first seen."
        for probe, bad in hard_failures(record, window, found.steady).items()
    ]
    objective = format_duration(record.promise.objective)
    if found.time is None:
        reasons.append(
            f"The service did not recover while it was watched, with {objective} promised: "
            f"{listed(list(found.unsteady))} did not stay good for five samples in a row."
        )
    elif found.time > record.promise.objective:
        reasons.append(
            f"Recovery was late: it took {format_duration(found.time)} where {objective} are promised "
            f"(measured to within {format_duration(found.resolution)})."
        )
    if found.score < PASS_MARK:
        reasons.append(f"The score is {found.score:g} of 100, and {PASS_MARK:g} is needed.")
    return reasons


def _broken(record: Record, window: Window) -> list[str]:
    return [
        f"The invariant {probe} broke: {counted(len(bad), 'sample')} bad, the first at "
        f"{after_start(bad[0].at, record.started)}. Nothing else counts then."
        for probe, bad in broken(record, window).items()
    ]


def _passed(record: Record, found: Figures) -> str:
    hard = sum(series.hard for series in record.series)
    held = ["No probe is hard", "The hard probe held"][hard] if hard < 2 else f"All {hard} hard probes held"
    return (
        f"{held}, the service recovered within the {format_duration(record.promise.objective)} promised, "
        f"and the score is {found.score:g} of 100."
    )


def _basis(record: Record, found: Figures) -> list[str]:
    """Return the figures behind the score."""
    share, of = found.share, counted(found.share.all, "sample" if found.share.series else "event")
    limit = f"{percent(tolerated(record))} tolerated: {found.absorbed:.0%} absorbed"
    basis = (
        f"The record counts no events, so time stands in for them: at worst {share.bad:g} of {of} of "
        f"{share.series} ({percent(share.value)}) were bad, with {limit}."
        if share.series
        else f"At worst {share.bad:,.0f} of {of} ({percent(share.value)}) were bad, with {limit}."
    )
    reasons = [basis]
    if share.bad:
        budget = share.value * share.seconds / (_BUDGET_DAYS * 86400 * (1 - record.promise.slo / 100))
        reasons.append(f"With even traffic that is {percent(budget)} of a {_BUDGET_DAYS}-day error budget, not scored.")
    if found.time is not None and found.time <= record.promise.objective:
        took = f"after {format_duration(found.time)}" if found.time else "at once"
        reasons.append(
            f"The service was steady again {took}, measured to within {format_duration(found.resolution)}, "
            f"where {format_duration(record.promise.objective)} are promised."
        )
    if found.missing:
        reasons.append(f"{counted(found.missing, 'sample')} missing after the first effect count as bad.")
    return reasons
