"""The campaign for faults that need netem: here, or in a guest, one injection at a time."""

import os
import subprocess
import sys
import tempfile
import time

from bench.campaign import head, table
from tests._forked import campaign
from tests.guest.outside import has_netem


def main() -> None:
    """Run it and print its table.

    $CAMPAIGN is how many (30), $CAMPAIGN_SECONDS the longest (400), $CAMPAIGN_SEED repeats one.
    """
    number, seed = os.environ.get("CAMPAIGN", "30"), os.environ.get("CAMPAIGN_SEED", str(time.time_ns() % 1_000_000))
    if not has_netem():
        print("This kernel has no netem: in a guest.", flush=True)
        settings = f"CAMPAIGN={number}", f"CAMPAIGN_SEED={seed}"
        argv = ["env", *settings, sys.executable, "-m", "bench", "campaign_netem"]
        sys.exit(subprocess.run([sys.executable, "-m", "tests.guest", *argv], check=False).returncode)
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="bench-")
    begun, limit = time.monotonic(), float(os.environ.get("CAMPAIGN_SECONDS", "400"))
    outcomes = []
    for outcome in campaign(int(seed), int(number)):
        outcomes.append(outcome)
        if time.monotonic() > begun + limit:
            break
    print(head(len(outcomes), int(seed), time.monotonic() - begun))
    table(outcomes)
    wrong = [f"{each.fault}, {each.strike}, {each.when}: {told}" for each in outcomes for told in each.wrong]
    sys.exit("\n".join(wrong))
