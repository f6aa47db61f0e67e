"""What a run must show before anything is concluded from it; each gap is a sentence for whoever reads the verdict."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reports.record import FaultRecord, LookRecord, Record, Series, TargetRecord
from reports.steady import STREAK, Window, coverage, fault_window, samples, slots, watch_end
from reports.words import counted, listed
from runner.model import EndsBy, Sight, format_duration, iso

__all__ = ["Gap", "flaws", "is_gate", "target_gap"]

_NEEDED = 0.9
_WHEN = {"before": "before the fault", "during": "while it acted", "after": "afterwards"}


class Gap(NamedTuple):
    """What a proof lacks, and what the last look saw instead."""

    what: str
    saw: str = ""


def flaws(record: Record) -> tuple[str, ...]:
    """Return why nothing can be concluded from a run, the deciding reason first; nothing where it is valid."""
    if record.dry:
        return ("This was a dry run: nothing was injected, so there is nothing to conclude.",)
    if record.problem and record.problem.kind == "inconclusive":
        return (record.problem.message,)
    if is_gate(record):
        return tuple(_gate_flaws(record))
    found = [*_unproven(record)]
    if record.kind == "experiment":
        found += _unexercised(record)
        window = fault_window(record)
        found += _undersampled(record, window) if window else ()
    return tuple(dict.fromkeys(found))


def is_gate(record: Record) -> bool:
    """Whether the run only looked: an experiment without faults and without a method."""
    return record.kind == "experiment" and not record.faults and not _has_method(record)


def _has_method(record: Record) -> bool:
    """Whether the experiment had a method, by its journal."""
    experiment = record.journal.get("experiment")
    declared = experiment.get("method") if isinstance(experiment, Mapping) else None
    return bool(declared or record.journal.get("run"))


def target_gap(target: TargetRecord) -> Gap | None:
    """Return what is missing in the proof at one target; None where the fault was proven there."""
    if target.error:
        return Gap(target.error.rstrip("."))
    return _look_gap(target) or _moment_gap(target)


def _phase_gap(target: TargetRecord, phase: str) -> Gap | None:
    looks = sorted((look for look in target.looks if look.phase == phase), key=lambda look: look.asked)
    if not looks:
        return Gap(f"nobody looked {_WHEN[phase]}")
    present = any(look.sight is Sight.PRESENT for look in looks)
    if phase == "during":
        return None if present else Gap("its effect was never seen", _saw(looks[-1]))
    if phase == "before" and present:
        return Gap("its effect was there before it was injected")
    if looks[-1].sight is not Sight.ABSENT:
        return Gap(f"its absence {_WHEN[phase]} was not seen", _saw(looks[-1]))
    return None


def _look_gap(target: TargetRecord) -> Gap | None:
    return next((found for phase in _WHEN if (found := _phase_gap(target, phase))), None)


def _moment_gap(target: TargetRecord) -> Gap | None:
    moments = {
        "when the target took it": target.committed,
        "when it was first seen": target.effective,
        "when it was seen healed": target.healed,
    }
    lost = [meaning for meaning, moment in moments.items() if moment is None]
    return Gap(f"{lost[0]} is not known") if lost else None


def _saw(look: LookRecord) -> str:
    return f"{look.sight.value}, {look.detail}" if look.detail else look.sight.value


def _unproven(record: Record) -> Iterator[str]:
    if not record.faults:
        yield "No fault was recorded, so nothing was proven about how the service bears one."
    for fault in record.faults:
        if not fault.targets:
            yield f"{fault.name} met no target: nothing matched its selectors."
            continue
        gaps = {target.target: found for target in fault.targets if (found := target_gap(target))}
        if len(fault.targets) - len(gaps) < (fault.at_least or len(fault.targets)):
            yield _unproven_sentence(fault, gaps)


def _unproven_sentence(fault: FaultRecord, gaps: Mapping[str, Gap]) -> str:
    first, *others = sorted(gaps)
    saw = f" (last look: {gaps[first].saw})" if gaps[first].saw else ""
    share = f"{len(gaps)} of its {counted(len(fault.targets), 'target')}"
    more = f" The others: {listed(others)}." if others else ""
    return f"{fault.name} was not proven at {share}. At {first}, {gaps[first].what}{saw}.{more}"


def _unexercised(record: Record) -> Iterator[str]:
    for fault in record.faults:
        hits = [target.hits for target in fault.targets if target.hits is not None]
        if not hits and fault.targets:
            yield (
                f"Whether the workload met {fault.name} is not known: nothing counted its encounters, "
                "so a service that never noticed would look like one that coped."
            )
        elif fault.targets and sum(hits) <= 0:
            own = sum(look.phase == "during" for target in fault.targets for look in target.looks)
            yield (
                f"The workload never met {fault.name}: it ran into the fault 0 times; "
                f"our own {counted(own, 'look')} at it are left out."
            )


def _undersampled(record: Record, window: Window) -> Iterator[str]:
    if not record.series:
        yield "No steady state was sampled, so nothing is known of the service."
    end = watch_end(record, window.healed)
    for series in record.series:
        sparse = _sparse(series, end)
        yield from sparse or _series_flaws(record, series, window, end)


def _sparse(series: Series, end: float) -> tuple[str, ...]:
    known, expected = coverage(series, end)
    if known >= _NEEDED * expected:
        return ()
    detail = f" {series.detail.rstrip('.')}." if series.detail else ""
    return (
        f"{series.probe} has {known} of the {expected} samples expected from {iso(series.start)} to {iso(end)} "
        f"({known / expected:.0%}, and {_NEEDED:.0%} are needed): too little data.{detail}",
    )


def _series_flaws(record: Record, series: Series, window: Window, end: float) -> Iterator[str]:
    known = slots(series, end)
    before = known.good[: known.since(window.committed)][-record.promise.baseline :]
    good = before.count(True)
    if good < record.promise.baseline:
        yield (
            f"The baseline of {series.probe} did not hold: {good} of the last {record.promise.baseline} samples "
            f"before the fault ({iso(window.committed)}) were good."
        )
    seen = samples(series)
    acted = seen.good[seen.since(window.committed) : seen.until(window.healed)]
    during = len(acted) - acted.count(None)
    lasting = any(fault.ends_by is not EndsBy.ONE_SHOT for fault in record.faults)
    if lasting and during < STREAK:
        yield (
            f"{series.probe} was sampled {counted(during, 'time')} while the fault acted, "
            f"{format_duration(window.healed - window.committed)}; at least {STREAK} are needed to tell anything."
        )


def _gate_flaws(record: Record) -> Iterator[str]:
    if not record.series:
        yield "There was nothing to judge: no probe was sampled."
    for series in record.series:
        found = samples(series)
        yield from _sparse(series, found.at[-1] if found.at else series.start)
