"""The record of a run: the only serialised form of it, immutable once written.

Times are seconds since the epoch with milliseconds, durations are seconds. Series are columnar: what is the same for
all samples stands once. NaN and infinity are outcomes whose value is null, because JSON has no word for them.
"""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field, ValidationInfo, model_validator

from reports.canonical import HOLE, canonical, column, filled, words
from runner.model import EndsBy, Outcome, Sight, Verdict

__all__ = [
    "AS_WRITTEN",
    "Decision",
    "Event",
    "Events",
    "Experiment",
    "FaultRecord",
    "Judgement",
    "LookRecord",
    "Origin",
    "Problem",
    "Promise",
    "Record",
    "Series",
    "ShareRecord",
    "Start",
    "TargetRecord",
]

T = TypeVar("T")


AS_WRITTEN: Any = {"rounded": False}
"""The context in which a record is read only to see that it is one: to round its columns takes a third of that."""


def _to_the_millisecond(values: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
    """Round a series at once; one that is whole milliseconds, as stored ones are, is seen to be so in half the time."""
    if info.context is AS_WRITTEN:
        return values
    try:
        whole = values == tuple([int(value * 1000 + 0.5) / 1000 for value in values])
    except OverflowError:
        whole = False
    return values if whole else tuple([round(value, 3) for value in values])


# Of many wrong ones the first is told: to write an error for each of a million takes a server many seconds.
Several = Annotated[tuple[T, ...], FailFast()]
Moment = Annotated[float, AfterValidator(lambda value: round(value, 3))]
Moments = Annotated[Several[float], AfterValidator(_to_the_millisecond)]
# A field that came later is left out of the bytes where it says nothing: older records keep their addresses.
Later = Annotated[T, Field(exclude_if=lambda value: not value)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Experiment(_Frozen):
    """Which experiment ran; `hash` covers steady state, method, rollbacks, extension and configuration."""

    title: str
    path: str = ""
    hash: str = ""
    tags: Several[str] = ()


class Origin(_Frozen):
    """Who and what started the run, where, and with which versions."""

    user: str
    host: str
    how: str
    environment: str
    environment_kind: str
    versions: Mapping[str, str]
    labels: Later[Mapping[str, str]] = Field(
        default_factory=dict, description="what ran there: images, chart versions, Git revisions, as found or as told"
    )


class Promise(_Frozen):
    """What the experiment says of its service: the inputs of the score, from its `chaosctl` extension."""

    service: str = ""
    objective: Annotated[float, Field(gt=0, description="recovery objective, seconds")] = 30.0
    slo: Annotated[float, Field(gt=0, lt=100, description="target share of good events, percent")] = 99.0
    tolerated: Annotated[
        float | None,
        Field(gt=0, le=1, description="E: tolerated share of bad events; absent: 10 * (1 - slo)"),
    ] = None
    weight: Annotated[float, Field(gt=0)] = 1.0
    required: bool = True
    slo_name: Later[str] = ""
    slo_window: Later[float] = 0.0
    baseline: Annotated[int, Field(ge=1, description="good samples wanted before the fault")] = 5


class Event(_Frozen):
    """One step of the run."""

    at: Moment
    what: str
    detail: str = ""


class LookRecord(_Frozen):
    """One independent look at a fault's effect at one target."""

    phase: Literal["before", "during", "after"]
    asked: Moment
    answered: Moment
    sight: Sight
    detail: str
    evidence: Mapping[str, Any] = Field(default_factory=dict)


class TargetRecord(_Frozen):
    """What happened to one target; a moment that was not seen is null.

    `committed` is when the target took the fault, `deadline` when it ends by itself, `effective` the first look that
    saw it, `ended` the first check that found it no longer live, `healed` the first look that found the effect gone.
    `gone` is a target that was no more, as a deleted pod.
    `hits` counts the workload's own encounters with the fault, our probes left out; null means it is not known.
    """

    target: str
    committed: Moment | None = None
    deadline: Moment | None = None
    effective: Moment | None = None
    ended: Moment | None = None
    healed: Moment | None = None
    ended_how: Literal["deadline", "undone", "gone", "unknown"] = "unknown"
    hits: int | None = None
    looks: Several[LookRecord] = ()
    error: str = ""


class ShareRecord(_Frozen):
    """How many replicas of a service the fault was for when it began, and how many there were."""

    service: str
    picked: int
    of: int


class FaultRecord(_Frozen):
    """One fault of the run, at all its targets; `at_least` is how many of them had to have it, null for all."""

    id: str
    name: str
    parameters: Mapping[str, Any]
    sentence: str
    ends_by: EndsBy
    duration: float
    at_least: int | None = None
    targets: Several[TargetRecord]
    shares: Later[Several[ShareRecord]] = ()
    notes: Several[str] = ()


class Series(_Frozen):
    """One steady-state probe over the whole run; sample i was taken at start + offsets[i].

    `resolution` says how sharp its edges are: scrape interval plus the range its query smears over, seconds. An
    `invariant` is what must never break, such as that no acknowledged write is lost: one bad sample and nothing counts.
    """

    probe: str
    query: str = ""
    tolerance: Any = None
    hard: bool = True
    invariant: Later[bool] = False
    interval: Annotated[float, Field(gt=0)]
    resolution: Annotated[float, Field(ge=0)]
    start: Moment
    offsets: Moments
    values: Several[float | str | bool | None]
    outcomes: Several[Outcome]
    detail: str = ""

    @model_validator(mode="after")
    def _aligned(self) -> "Series":
        if not len(self.offsets) == len(self.values) == len(self.outcomes):
            raise ValueError("offsets, values and outcomes are of different lengths")
        return self


class Events(_Frozen):
    """Good and bad events of the service, counted from raw counters; entry i happened in (t[i-1], t[i]]."""

    all_query: str
    bad_query: str
    start: Moment
    offsets: Moments
    all: Several[float]
    bad: Several[float]

    @model_validator(mode="after")
    def _aligned(self) -> "Events":
        if not len(self.offsets) == len(self.all) == len(self.bad):
            raise ValueError("offsets, all and bad are of different lengths")
        return self


class Decision(_Frozen):
    """What a guardrail decided, and why."""

    at: Moment
    guardrail: str
    allowed: bool
    reason: str


class Problem(_Frozen):
    """Why the run did not take its course: an error, an abort or a lost backend; `file` is the one at fault, if any."""

    kind: Literal["error", "aborted", "inconclusive"]
    message: str
    file: Later[str] = ""
    line: Later[int] = 0


class Judgement(_Frozen):
    """What follows from the rest of the record, by the formula of that version."""

    verdict: Verdict
    reasons: Several[str]
    score: float | None
    formula: str
    bad_share: float | None = None
    events: float | None = None
    absorbed: float | None = None
    recovered: float | None = None
    recovery_time: float | None = None
    recovery_resolution: float | None = None
    steady_again: Moment | None = None
    exit_code: int = 0


class Start(_Frozen):
    """That a run has begun: what is known of it before anything happened."""

    run: str
    experiment: Experiment
    origin: Origin
    started: Moment


_COLUMNS: Any = {"events": {"all", "bad", "offsets"}, "series": {"__all__": {"offsets", "outcomes", "values"}}}


class Record(_Frozen):
    """One run, whole. `canonical()` are the bytes it is stored and addressed by."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    run: str
    kind: Literal["experiment", "inject", "junit"]
    experiment: Experiment
    origin: Origin
    promise: Promise
    started: Moment
    ended: Moment
    dry: bool = False
    timeline: Several[Event] = ()
    faults: Several[FaultRecord] = ()
    series: Several[Series] = ()
    events: Events | None = None
    decisions: Several[Decision] = ()
    residue: Several[str] = ()
    problem: Problem | None = None
    journal: Mapping[str, Any] = Field(default_factory=dict)
    judgement: Judgement | None = None

    def canonical(self) -> bytes:
        """Return the record as JSON with sorted keys and no spaces: the same record gives the same bytes."""
        told = self.model_dump(mode="json", by_alias=True, exclude=_COLUMNS)
        columns = []
        if self.events:
            columns += [column(self.events.all), column(self.events.bad), column(self.events.offsets)]
            told["events"] |= dict.fromkeys(("all", "bad", "offsets"), HOLE)
        for series, said in zip(self.series, told["series"], strict=True):
            columns += [column(series.offsets), words(series.outcomes), column(series.values)]
            said.update(dict.fromkeys(("offsets", "outcomes", "values"), HOLE))
        return filled(told, columns) or canonical(self.model_dump(mode="json", by_alias=True))

    def address(self) -> str:
        """Return the SHA-256 of the canonical bytes, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()
