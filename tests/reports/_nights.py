"""Nights for tests: summaries of runs, one a day, the last one a few hours ago."""

from collections.abc import Iterable, Sequence
from typing import Any

from reports.cells import DAY, Cell, Key, cells
from reports.history import RunSummary
from runner.model import Verdict

NOW = 1_800_000_000.0
KEY = Key("preprod", "payment", "network-dns")


def night(ago: float, score: float | None = 100.0, **changes: Any) -> RunSummary:
    """Return the run of so many nights ago; one without a score is inconclusive."""
    verdict = Verdict.INCONCLUSIVE if score is None else Verdict.PASS if score >= 80 else Verdict.FAIL
    fields: dict[str, Any] = {
        "run": f"night-{ago:g}",
        "started": NOW - ago * DAY,
        "environment": KEY.environment,
        "service": KEY.service,
        "faults": (KEY.fault,),
        "experiment": "experiments/network-dns.yaml",
        "experiment_hash": "h1",
        "kind": "experiment",
        "verdict": verdict,
        "exit_code": verdict.exit_code,
        "score": score,
        "formula": "2",
        "reason": "It did." if score is not None else "The workload never met it.",
        "bad_share": None if score is None else 0.0,
        "tolerated": 0.1,
        "absorbed": None if score is None else 1.0,
        "recovered": None if score is None else 1.0,
        "recovery_time": None if score is None else 5.0,
        "recovery_resolution": None if score is None else 1.0,
        "objective": 30.0,
    }
    return RunSummary(**fields | changes)


def nights(scores: Sequence[float | None], **changes: Any) -> list[RunSummary]:
    """Return one run a night, the last of them half a day ago."""
    return [night(len(scores) - number - 0.5, score, **changes) for number, score in enumerate(scores)]


def one(runs: Iterable[RunSummary]) -> Cell:
    """Return the one cell that these runs are of."""
    found = cells(runs, NOW)
    assert list(found) == [KEY]
    return found[KEY]
