"""What scores over several runs need to know of each one: a few figures of its record, which a store can keep apart."""

from dataclasses import dataclass
from typing import Self

from reports.record import Record
from reports.score import tolerated
from reports.verdict import judge
from runner.model import Verdict

__all__ = ["RunSummary"]


@dataclass(frozen=True)
class RunSummary:
    """One run that ended, told in figures; times in seconds, moments since the epoch.

    `score` is None where the run was not valid, and `reason` says why; `bad_share` is e, `tolerated` E, `absorbed` A
    and `recovered` R. Of a valid run that never recovered `recovery_time` is None. `weight` and `required` are its
    experiment's.
    """

    run: str
    started: float
    environment: str
    service: str
    faults: tuple[str, ...]
    experiment: str
    experiment_hash: str
    kind: str
    verdict: Verdict
    exit_code: int
    score: float | None
    formula: str
    reason: str
    bad_share: float | None
    tolerated: float
    absorbed: float | None
    recovered: float | None
    recovery_time: float | None
    recovery_resolution: float | None
    objective: float
    weight: float = 1.0
    required: bool = True

    @property
    def valid(self) -> bool:
        """Whether something can be concluded of the service from it."""
        return self.score is not None

    @property
    def passed(self) -> bool:
        """Whether it is valid and passed."""
        return self.valid and self.verdict is Verdict.PASS

    @classmethod
    def of(cls, record: Record) -> Self:
        """Return the summary of a record, by the judgement it holds; one without is judged."""
        judgement = record.judgement or judge(record)
        return cls(
            run=record.run,
            started=record.started,
            environment=record.origin.environment,
            service=record.promise.service,
            faults=tuple(sorted({fault.name for fault in record.faults})),
            experiment=record.experiment.path or record.experiment.title,
            experiment_hash=record.experiment.hash,
            kind=record.kind,
            verdict=judgement.verdict,
            exit_code=judgement.exit_code,
            score=judgement.score,
            formula=judgement.formula,
            reason=judgement.reasons[0] if judgement.reasons else "",
            bad_share=judgement.bad_share,
            tolerated=tolerated(record),
            absorbed=judgement.absorbed,
            recovered=judgement.recovered,
            recovery_time=judgement.recovery_time,
            recovery_resolution=judgement.recovery_resolution,
            objective=record.promise.objective,
            weight=record.promise.weight,
            required=record.promise.required,
        )
