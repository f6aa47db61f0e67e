"""Records for tests: a valid run to start from, and random ones that stay repeatable by their seed."""

import random
from collections.abc import Sequence
from typing import Any

from reports.record import Events, Experiment, FaultRecord, LookRecord, Origin, Promise, Record, Series, TargetRecord
from reports.words import counted
from runner.model import EndsBy, Outcome, Sight

START = 1_800_000_000.0
COMMITTED, EFFECTIVE, ENDED, HEALED = START + 60, START + 61, START + 120, START + 121
SECONDS = 180

EXPERIMENT = Experiment(title="Payments bear the loss of redis-cluster", path="experiments/dns.yaml", hash="ab" * 32)
ORIGIN = Origin(
    user="ada", host="ops-1", how="chaosctl run", environment="lab", environment_kind="lab", versions={"chaosctl": "0"}
)


def look(phase: Any, at: float, sight: Sight, detail: str = "") -> LookRecord:
    return LookRecord(phase=phase, asked=at, answered=at + 0.01, sight=sight, detail=detail or f"it looked {sight}")


def target(name: str = "netns:payment-api", **changes: Any) -> TargetRecord:
    fields = {
        "target": name,
        "committed": COMMITTED,
        "deadline": ENDED,
        "effective": EFFECTIVE,
        "ended": ENDED,
        "healed": HEALED,
        "ended_how": "deadline",
        "hits": 214,
        "looks": (
            look("before", START + 2, Sight.ABSENT, "redis-cluster resolves to 10.0.0.5"),
            look("during", EFFECTIVE, Sight.PRESENT, "redis-cluster: no answer within 2s"),
            look("after", HEALED, Sight.ABSENT, "redis-cluster resolves to 10.0.0.5"),
        ),
    }
    return TargetRecord.model_validate(fields | changes)


def fault(*targets: TargetRecord, **changes: Any) -> FaultRecord:
    fields = {
        "id": "f1",
        "name": "network-dns",
        "parameters": {"target": "redis-cluster"},
        "sentence": f"{counted(len(targets) or 1, 'pod')} in payment cannot resolve redis-cluster for 60 s",
        "ends_by": EndsBy.KERNEL,
        "duration": 60.0,
        "targets": targets or (target(),),
    }
    return FaultRecord.model_validate(fields | changes)


def series(
    outcomes: Sequence[Outcome] = (Outcome.GOOD,) * SECONDS, probe: str = "orders-succeed", **changes: Any
) -> Series:
    """Return one sample a second from the start of the run on."""
    fields = {
        "probe": probe,
        "query": "sum(rate(orders_total[5s]))",
        "tolerance": [0, 100],
        "interval": 1.0,
        "resolution": 2.0,
        "start": START,
        "offsets": tuple(range(len(outcomes))),
        "values": tuple({Outcome.GOOD: 42.0, Outcome.BAD: 0.0}.get(outcome) for outcome in outcomes),
        "outcomes": tuple(outcomes),
    }
    return Series.model_validate(fields | changes)


def bad_at(*seconds: int, outcome: Outcome = Outcome.BAD, length: int = SECONDS) -> list[Outcome]:
    """Return good outcomes but for the seconds named."""
    return [outcome if second in seconds else Outcome.GOOD for second in range(length)]


def events(bad: dict[int, float] | None = None, each: float = 100, seconds: range = range(1, SECONDS + 1)) -> Events:
    """Return so many events each second, with those of the seconds named bad."""
    return Events(
        all_query="orders_total",
        bad_query="orders_failed_total",
        start=START + seconds.start - 1,
        offsets=tuple(float(second - seconds.start + 1) for second in seconds),
        all=(each,) * len(seconds),
        bad=tuple((bad or {}).get(second, 0.0) for second in seconds),
    )


def record(**changes: Any) -> Record:
    """Return a valid run in which nothing went wrong, with the changes named."""
    fields = {
        "run": "run-1",
        "kind": "experiment",
        "experiment": EXPERIMENT,
        "origin": ORIGIN,
        "promise": Promise(service="payment", objective=30.0),
        "started": START,
        "ended": START + SECONDS,
        "faults": (fault(),),
        "series": (series(),),
    }
    return Record.model_validate(fields | changes)


def gate(*outcomes: Outcome) -> Record:
    """Return a run without a method: one sample for each of its probes."""
    probes = tuple(series([outcome], f"gate-{number}") for number, outcome in enumerate(outcomes))
    return record(faults=(), series=probes, journal={"experiment": {"method": []}, "run": []})


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - repeatable on purpose


def random_record(seed: int) -> Record:
    """Return a valid run with one to three series, soft and hard, that leave their tolerance here and there."""
    rng = seeded(seed)
    many = tuple(
        series(_random_outcomes(rng), f"probe-{number}", hard=rng.random() < 0.5) for number in range(rng.randint(1, 3))
    )
    counted = events({second: float(rng.randint(0, 30)) for second in range(62, rng.randint(63, 150))})
    promise = Promise(service="payment", objective=rng.choice([5.0, 15.0, 30.0]), slo=rng.choice([95.0, 99.0]))
    return record(series=many, events=counted if rng.random() < 0.5 else None, promise=promise)


def _random_outcomes(rng: random.Random) -> list[Outcome]:
    begin = rng.randint(61, 120)
    burst = range(begin, begin + rng.choice([0, 1, 3, 10, 40]))
    missing = {rng.randrange(SECONDS) for _ in range(rng.choice([0, 0, 1, 4]))}
    outcomes = bad_at(*burst)
    return [Outcome.STALE if second in missing else outcome for second, outcome in enumerate(outcomes)]
