"""No fault outlives its deadline, whatever is done to the runner at whatever moment."""

import os
import signal
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from runner.discovery import fault
from runner.model import EndsBy, clock
from tests._campaign import Moment, Run, campaign, moments, running
from tests._cli import CHAOSCTL
from tests._network import Network
from tests._nft import stand_in
from tests._scratch import left
from tests._strikes import STRIKES, cases, struck

SEED = 20260131
LATE = 0.1
"""How long after its deadline a name may still not resolve, seconds."""
TICK = 0.02
"""How fine the kernel's timers are, seconds."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def killed(net: Network, place: Path, moment: Moment) -> str:
    """Kill a whole run, see its fault end in time and the ledger tell the truth; returns what was left of it.

    Whatever was committed was so before the kill, so the latest deadline there can be is two seconds after it.
    """
    with running(net, place, "2s", moment.slow) as run:
        run.reach(moment)
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        dead = clock()
    ends = run.ends() if run.fault_id else None
    truthful(run)
    if ends:
        assert ends[0] <= dead + 2.0 + TICK, f"{moment}: armed for longer than asked"
        threading.Event().wait(ends[1] + LATE - clock())
    assert run.resolves(), f"{moment}: not healed at its deadline"
    recovered = run.chaosctl("recover", "--all")
    assert recovered.returncode == 0, f"{moment}: {recovered.stderr}"
    assert (run.left(), run.faults()) == ([], []), f"{moment}: residue"
    assert run.chaosctl("recover", "--all").stdout == "Nothing to undo.\n"
    return f"{moment.after or 'start'}: {'live' if ends else 'not live'}"


def truthful(run: Run) -> None:
    """Assert that what `faults` calls live is live; the fault may end while it is asked."""
    before = run.ends()
    told = {fault["id"]: fault["state"] for fault in run.faults()}
    after = run.ends()
    if after:
        assert told == {run.fault_id: "live"}
    elif not before and told:
        assert set(told.values()) <= {"inert", "absent"}
    if run.left():
        assert run.fault_id in told, "something is there, and `faults` does not list it"


@pytest.mark.timeout(300)
def test_sigkill_at_twenty_moments(no_leaks: None, tmp_path: Path) -> None:
    seen = campaign(killed, moments(SEED, 20, 2.0), tmp_path)
    assert {"start: not live", "armed: live", "effective: live"} <= set(seen), "the moments were spread badly"


def stopped(net: Network, place: Path, moment: Moment, number: signal.Signals) -> None:
    """Send one signal to a run whose fault would last an hour, and see all of it gone when the run has ended."""
    with running(net, place, "1h", moment.slow) as run:
        run.reach(moment)
        run.process.send_signal(number)
        code = run.process.wait(60)
    told = "".join(run.steps)
    assert run.left() == [], f"{moment}, {number.name}: {told}"
    assert run.faults() == []
    assert run.resolves()
    if run.fault_id:
        assert code == 5, f"{moment}, {number.name}: {told}"
        assert "chaosctl: " in told
        assert "Traceback" not in told
    else:
        before_python_ran = code == 1 and "KeyboardInterrupt" in told and "chaosctl: " not in told
        assert code in (5, -number) or before_python_ran, f"a signal before anything began: {told}"


@pytest.mark.timeout(300)
def test_signals_undo_at_once_at_any_moment(no_leaks: None, tmp_path: Path) -> None:
    chosen = moments(SEED + 1, 16, 1.0)
    numbers = dict(zip(chosen, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] * 6, strict=False))
    campaign(lambda net, place, moment: stopped(net, place, moment, numbers[moment]), chosen, tmp_path)


def test_recover_waits_for_the_command_of_a_killed_runner(net: Network, tmp_path: Path, state: Path) -> None:
    """The runner alone is killed; its nft is in flight and commits later."""
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    path = stand_in(
        tmp_path, f'[ "$*" = "-f -" ] || exec $real "$@"; touch {begun}; sleep 2; $real "$@"; touch {ended}'
    )
    argv = [CHAOSCTL, "inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=60s"]
    with subprocess.Popen(argv, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL) as runner:
        until = clock() + 60
        while not begun.exists():
            assert clock() < until
        runner.kill()
    [entry] = (state / "ledger").glob("*.json")
    assert not ended.exists()
    recovered = subprocess.run([CHAOSCTL, "recover", entry.stem], capture_output=True, text=True, check=False)
    assert ended.exists(), "recover did not wait"
    assert recovered.stdout == f"Undone: {entry.stem}. Nothing of it is left.\n"
    assert left(net.client) == []


def test_fault_of_a_detached_run_ends_in_time_though_that_run_is_killed(net: Network, tmp_path: Path) -> None:
    argv = ["inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=15s", "--detach"]
    run = Run(net, tmp_path / "run", subprocess.Popen(["true"], text=True), [])
    run.place.mkdir()
    environment = {**os.environ, "XDG_STATE_HOME": str(run.place / "state")}
    done = subprocess.run([CHAOSCTL, *argv], capture_output=True, text=True, check=True, env=environment)
    run.steps = [f"network-dns {done.stdout.splitlines()[-1]}:"]
    [told] = run.faults()
    os.killpg(int(told["owner"].rpartition(" ")[2]), signal.SIGKILL)
    ends = run.ends()
    assert ends, "it was live when its process died"
    assert ends[0] <= told["deadline"] + TICK
    truthful(run)
    threading.Event().wait(ends[1] + LATE - clock())
    assert run.resolves()
    assert run.chaosctl("recover", "--all").returncode == 0
    assert run.left() == []


@pytest.mark.timeout(400)
def test_any_fault_struck_in_any_way_ends_in_time_and_leaves_nothing(no_leaks: None, tmp_path: Path) -> None:
    """The campaign of bench/ in short: every strike, and every fault that this machine can have in a namespace."""
    all_of_them = cases()
    rounds = [
        (case, strike, case.moment(SEED, n)) for n, (case, strike) in enumerate(zip(all_of_them, STRIKES, strict=False))
    ]
    rounds += [
        (replace(case, lasts=max(15.0, case.lasts)), "SIGKILL of its group", Moment("armed", 0.0, slow=False))
        for case in all_of_them
    ]
    with ThreadPoolExecutor(4) as pool:
        doing = [pool.submit(struck, *each, tmp_path / str(place)) for place, each in enumerate(rounds)]
        outcomes = [done.result() for done in doing]
    assert [told for outcome in outcomes for told in outcome.wrong] == []
    lasting = {case.fault for case in all_of_them if fault(case.fault).ends_by is not EndsBy.ONE_SHOT}
    assert {outcome.fault for outcome in outcomes if outcome.live} == lasting
