"""Reading and judging in other processes: the same answers as here, whoever of them is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from reports.api.problems import Problem
from reports.api.workers import Workers
from reports.packing import Unjudged, hold, pack
from reports.pending import Waiting
from tests.reports._records import record

ROOT = Path(__file__).parents[3]
LINES = [(number, b"{}" if number % 7 == 3 else record(run=f"r{number}").canonical()) for number in range(60)]

SERVER = """
import time
from reports.api.workers import Workers
from tests.reports.api.test_workers import LINES
if __name__ == "__main__":
    workers = Workers(2)
    workers.held(LINES, "")
    print(*workers._pool._processes, flush=True)
    time.sleep(600)
"""


def check(found: list[Unjudged | Problem]) -> None:
    for (number, _), each in zip(LINES, found, strict=True):
        if number % 7 == 3:
            assert isinstance(each, Problem)
            assert (each.body.status, each.body.errors[0].field) == (422, "/run")
        else:
            made = record(run=f"r{number}")
            assert each == hold(made, made.canonical(), "blue")


def test_a_bulk_is_read_alike_in_other_processes_and_after_one_of_them_is_killed() -> None:
    workers = Workers(2)
    try:
        check(workers.held(LINES, "blue"))
        assert workers._pool is not None
        os.kill(next(iter(workers._pool._processes)), signal.SIGKILL)
        for _ in range(2):
            check(workers.held(LINES, "blue"))
    finally:
        workers.close()


def test_what_waits_is_judged_in_the_background_at_the_lowest_priority() -> None:
    many = [record(run=f"r{number}") for number in range(30)]
    held = [hold(each, each.canonical(), "blue") for each in many]
    workers = Workers(1, background=True)
    try:
        found = workers.judged([Waiting(each.run, each.address, each.body, "blue") for each in held])
        assert found == [pack(each, "blue") for each in many]
        assert workers._pool is not None
        (judge,) = workers._pool._processes
        assert os.getpriority(os.PRIO_PROCESS, judge) == 19
    finally:
        workers.close()


def test_a_server_that_is_killed_leaves_no_judges_behind(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        judges = [int(each) for each in server.stdout.readline().split()]
        server.kill()
    assert len(judges) == 2
    until = time.monotonic() + 60
    while any(Path(f"/proc/{each}").exists() for each in judges):
        assert time.monotonic() < until, "a judge outlived its server"
        time.sleep(0.05)
