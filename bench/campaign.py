"""Two hundred injections over all faults, struck at random moments: who is live past the deadline, what is left."""

import os
import platform
import random
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path

from runner.discovery import fault as declared
from runner.discovery import names
from tests._strikes import LATE, STRIKES, Case, Outcome, cases, struck

_AT_ONCE = 5


def main() -> None:
    """Run it and print its table.

    $CAMPAIGN is how many, $CAMPAIGN_SECONDS the longest, $CAMPAIGN_FAULTS of which faults, $CAMPAIGN_SEED repeats one.
    """
    number = int(os.environ.get("CAMPAIGN", "200"))
    seed = int(os.environ.get("CAMPAIGN_SEED", time.time_ns() % 1_000_000))
    meant = cases(os.environ.get("CAMPAIGN_FAULTS", "").split())
    begun = time.monotonic()
    outcomes = run(meant, number, seed)
    print(head(len(outcomes), seed, time.monotonic() - begun))
    table(outcomes)
    print(
        f"\nLate: found live more than {LATE * 1000:.0f} ms after its deadline; left: residue after `chaosctl recover`."
    )
    left_out = sorted(set(names()) - {case.fault for case in meant})
    print(f"Not in it: {', '.join(left_out) or 'none'}.")
    wrong = [f"{each.fault}, {each.strike}, {each.when}: {told}" for each in outcomes for told in each.wrong]
    print(
        "\n".join(wrong) or f"No fault was found live more than {LATE * 1000:.0f} ms past its deadline, and none left."
    )
    if wrong:
        sys.exit(1)


def run(meant: list[Case], number: int, seed: int) -> list[Outcome]:
    """Strike so many injections, five at a time; faults, strikes and moments are mixed by the seed."""
    chosen = random.Random(seed)  # noqa: S311 - a campaign, not secrets
    plan = []
    for position in range(number):
        case = meant[position % len(meant)]
        plan.append((case, chosen.choice(list(STRIKES)), case.moment(seed, position)))
    chosen.shuffle(plan)
    limit = float(os.environ.get("CAMPAIGN_SECONDS", "inf"))
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder, ThreadPoolExecutor(_AT_ONCE) as pool:
        doing = [pool.submit(struck, *each, Path(folder) / str(place)) for place, each in enumerate(plan)]
        _, waiting = wait(doing, None if limit == float("inf") else limit)
        for each in waiting:
            each.cancel()
        wait(doing)
        ended = zip(plan, doing, strict=True)
        return [_outcome(case, strike, each) for (case, strike, _), each in ended if not each.cancelled()]


def _outcome(case: Case, strike: str, done: Future[Outcome]) -> Outcome:
    """Return what became of one injection; one that could not be followed to its end counts as wrong."""
    if error := done.exception():
        return Outcome(case.fault, strike, "", wrong=[f"not followed to its end: {type(error).__name__}: {error}"])
    return done.result()


def head(number: int, seed: int, took: float) -> str:
    """Return what is said of a campaign before its table; `took` is in seconds."""
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Linux {platform.release()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}; {number} injections, seed {seed}, {took / 60:.1f} min\n"


def table(outcomes: list[Outcome]) -> None:
    """Print what became of each fault, by strike."""
    print("| fault, ended by | strike | injections | live when struck | last live, after its deadline | late | left |")
    print("|---|---|---|---|---|---|---|")
    for fault in dict.fromkeys(each.fault for each in outcomes):
        for strike in STRIKES:
            those = [each for each in outcomes if (each.fault, each.strike) == (fault, strike)]
            if those:
                print(_row(fault, strike, those))


def _row(fault: str, strike: str, those: list[Outcome]) -> str:
    seen = [each.last_live for each in those if each.last_live is not None]
    last = f"{max(seen) * 1000:+.0f} ms" if seen else "-"
    late = sum(each.late for each in those)
    left = sum("residue" in told for each in those for told in each.wrong)
    live = sum(each.live for each in those)
    return f"| {fault}, {declared(fault).ends_by} | {strike} | {len(those)} | {live} | {last} | {late} | {left} |"
