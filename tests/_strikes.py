"""One injection of any fault that is struck at some moment of its life, and what is true of it afterwards."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner import ledger
from runner.discovery import fault, names
from runner.entry import Entry, parsed
from runner.errors import CommandFailed
from runner.lock import held
from runner.model import EndsBy, State, clock
from tests._campaign import Moment, Run, moments, running
from tests._https import PORT, SERVING
from tests._network import SERVER_V4, Network, network
from tests.guest.outside import has_netem

__all__ = ["LATE", "STRIKES", "Case", "Outcome", "cases", "struck"]

LATE = 0.1
"""How long after its deadline a fault may still be found live, seconds."""

_PATIENCE = 60.0


@dataclass(frozen=True)
class Case:
    """A fault with its arguments and seconds; `process` is a program that runs at the target for it to act on.

    It answers at `port` before the fault begins. `netem` says that the kernel has to have that.
    """

    fault: str
    arguments: tuple[str, ...] = ()
    process: tuple[str, ...] = ()
    lasts: float = 2.0
    port: int = 0
    netem: bool = False

    def moment(self, seed: int, position: int) -> Moment:
        """Return one of the moments of its life; positions next to each other are in different parts of it."""
        return moments(seed, position + 1, self.lasts)[position]


@dataclass
class Outcome:
    """What became of one injection; `last_live` is when it was last found live, seconds after its deadline.

    A fault that the kernel ends is never late; packets that a link holds at its deadline may leave when their time has
    come. A guardian needs a processor: on a busy machine it may be, and how late
    it was is told.
    """

    fault: str
    strike: str
    when: str
    live: bool = False
    late: bool = False
    last_live: float | None = None
    wrong: list[str] = field(default_factory=list)


SLEEPER = "sh", "-c", "while :; do sleep 600; done"
_ETCD_PORT = 2379
ETCD = (
    "etcd",
    "--data-dir={place}",
    f"--listen-client-urls=http://127.0.0.1:{_ETCD_PORT}",
    f"--advertise-client-urls=http://127.0.0.1:{_ETCD_PORT}",
    "--listen-peer-urls=http://127.0.0.1:2380",
    "--logger=zap",
    "--log-level=fatal",
)

_THEM = f"--target={SERVER_V4}"
_API = f"--endpoint=https://127.0.0.1:{PORT}"

_CASES = (
    Case("network-dns", ("--target=redis-cluster",)),
    Case("network-partition", (_THEM,)),
    Case("network-rate", (_THEM, "--rate=1mbit"), lasts=4.0),
    Case("process-stop", ("--process=sleep",), SLEEPER, lasts=4.0),
    Case("process-kill", ("--process=sleep",), SLEEPER, lasts=4.0),
    Case("disk-fill", ("--path={disk}",), lasts=4.0),
    Case("memory-stress", ("--amount=16MiB",), lasts=4.0),
    Case("cpu-stress", ("--workers=1", "--load=10%"), lasts=4.0),
    Case("etcd-latency", ("--latency=100ms", "--percentile=50", "--engine=window"), ETCD, lasts=10.0, port=_ETCD_PORT),
    Case("api-latency", ("--latency=100ms", "--percentile=50", _API), SERVING, lasts=10.0, port=PORT),
    Case("etcd-latency", ("--latency=500ms",), ETCD, lasts=10.0, port=_ETCD_PORT, netem=True),
    Case("network-delay", (_THEM, "--delay=200ms"), lasts=6.0, netem=True),
    Case("network-loss", (_THEM, "--percent=60%"), lasts=6.0, netem=True),
    Case("network-corrupt", (_THEM, "--percent=60%"), lasts=6.0, netem=True),
    Case("network-duplicate", (_THEM, "--percent=60%"), lasts=6.0, netem=True),
    Case("network-reorder", (_THEM, "--percent=50%", "--delay=50ms"), lasts=6.0, netem=True),
)
"""Faults that can be had in a namespace; those that the kernel has not are for a guest."""


def cases(named: Iterable[str] = ()) -> list[Case]:
    """Return the cases that this machine can have, of the faults that are named or of all."""
    chosen = set(named) or set(names())
    return [case for case in _CASES if case.fault in chosen and (has_netem() or not case.netem)]


def _terminate(run: Run) -> None:
    run.process.send_signal(signal.SIGTERM)
    run.process.wait(_PATIENCE)


def _kill(run: Run) -> None:
    """Kill the process alone: its commands in flight go on."""
    run.process.kill()
    run.process.wait()


def _kill_group(run: Run) -> None:
    with suppress(ProcessLookupError):  # it had ended by itself
        os.killpg(run.process.pid, signal.SIGKILL)
    run.process.wait()


def _remake(run: Run) -> None:
    """Delete the target's namespace and make it again under the same name, as a restart does; the run goes on."""
    name = run.net.client.namespace
    subprocess.run(["ip", "netns", "del", name], check=True)
    subprocess.run(["ip", "netns", "add", name], check=True)
    run.process.wait(_PATIENCE)


STRIKES: dict[str, Callable[[Run], None]] = {
    "SIGTERM": _terminate,
    "SIGKILL": _kill,
    "SIGKILL of its group": _kill_group,
    "namespace made again": _remake,
}


def struck(case: Case, strike: str, moment: Moment, place: Path) -> Outcome:
    """Strike one injection on a network of its own, and see it end in time and leave nothing once recovered."""
    with network() as net, _disk(case, place) as arguments, _process(case, place, net):
        return _struck(replace(case, arguments=arguments), strike, moment, net, place)


@contextmanager
def _disk(case: Case, place: Path) -> Iterator[tuple[str, ...]]:
    """Give a fault that fills a disk a small one, and return its arguments."""
    disk = place.with_suffix(".disk")
    if not any("{disk}" in argument for argument in case.arguments):
        yield case.arguments
        return
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    try:
        yield tuple(argument.format(disk=disk) for argument in case.arguments)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@contextmanager
def _process(case: Case, place: Path, net: Network) -> Iterator[None]:
    if not case.process:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="at-", dir=place.parent) as own:
        program = [part.format(place=own) for part in case.process]
        argv = ["ip", "netns", "exec", net.client.namespace, *program]
        with subprocess.Popen(argv, process_group=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as victim:
            try:
                _answering(case.port, net)
                yield
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(victim.pid, signal.SIGKILL)


def _answering(port: int, net: Network) -> None:
    """Wait until somebody takes connections at a port there; at none, there is nothing to wait for."""
    limit = clock() + _PATIENCE
    while port:
        with net.client.socket(socket.AF_INET, socket.SOCK_STREAM) as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert clock() < limit, f"nobody answers at port {port} of {net.client.name}"
        threading.Event().wait(0.1)


def _struck(case: Case, strike: str, moment: Moment, net: Network, place: Path) -> Outcome:
    outcome = Outcome(case.fault, strike, moment.after or "start")
    with running(net, place, f"{case.lasts:g}s", moment.slow, case.fault, case.arguments) as run:
        run.reach(moment)
        STRIKES[strike](run)
        dead = clock()
    for path in _entries(place):
        _watch(path, run, dead, case.lasts, outcome)
    over = any("proven and healed" in step for step in run.steps)  # a signal that comes later may end the process
    if strike == "SIGTERM" and run.fault_id and not over and run.process.returncode not in (0, 3, 5):
        outcome.wrong.append(f"SIGTERM ended it with {run.process.returncode}: {''.join(run.steps)}")
    if any(sign in line for line in run.steps for sign in ("bug of ours", "Traceback")):
        outcome.wrong.append(f"it said: {''.join(run.steps)}")
    recovered = run.chaosctl("recover", "--all")
    if recovered.returncode:
        outcome.wrong.append(f"recover ended with {recovered.returncode}: {recovered.stderr}")
    outcome.wrong += [f"residue after recover: {left}" for left in (*run.left(), *_open(place))]
    shutil.rmtree(place, ignore_errors=True)
    return outcome


def _watch(path: Path, run: Run, dead: float, lasts: float, outcome: Outcome) -> None:
    """See one fault that the ledger knows end by itself, at its own targets by its own checks.

    Where the run could not tell its deadline any more, that is counted from when the last command of it was at work.
    """
    entry = parsed(path.read_text())
    if entry.closed:
        return
    while held(path.with_suffix(".lock")):
        threading.Event().wait(0.01)
        dead = clock()
    drains = max((site.steps.drains for site in entry.sites), default=0.0)
    told = any(line.split()[:1] == ["armed"] for line in run.steps)
    deadline = (entry.deadline if told else dead + lasts) + drains
    ends_by = fault(entry.fault).ends_by
    if ends_by is EndsBy.ONE_SHOT:
        return
    outcome.live = _live(entry) is True
    while (begun := clock()) < deadline + _PATIENCE:
        live = _live(entry)
        if live:
            outcome.last_live = begun - deadline
            outcome.late = begun > deadline + LATE
        elif live is False and begun > deadline:
            break
        if outcome.late and ends_by is EndsBy.KERNEL:
            break
        threading.Event().wait(0.01)
    else:
        outcome.wrong.append(f"not seen to end within {_PATIENCE:g} s of its deadline")
    if outcome.late and ends_by is EndsBy.KERNEL:
        outcome.wrong.append(f"live {outcome.last_live:.3f} s after its deadline")


def _live(entry: Entry) -> bool | None:
    """Whether the fault is live at any of its targets; None where that was not to be told on a busy machine."""
    try:
        return any(ledger.state(site) is State.LIVE for site in entry.sites)
    except CommandFailed:
        return None


def _open(place: Path) -> list[str]:
    """Return the faults that the ledger there still lists."""
    entries = [parsed(path.read_text()) for path in _entries(place)]
    return [f"{entry.id} is listed" for entry in entries if not entry.closed]


def _entries(place: Path) -> list[Path]:
    own = place / "state" / "chaosctl" / "ledger"
    return sorted((*own.glob("*.json"), *own.glob("*.closed")))
