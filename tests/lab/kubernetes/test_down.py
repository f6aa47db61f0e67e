"""Nothing is left of a cluster, whatever became of it: not of its pods, mounts and control groups either."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import groups
from lab.down import down
from lab.kubernetes.binaries import require
from lab.kubernetes.names import NODES
from lab.network import possible_spaces
from lab.plan import Lab
from lab.processes import namespaces
from runner.errors import Missing

_UP = """
import sys
from lab.up import up
up(lambda line: print(line, flush=True), sys.argv[1], sys.argv[2], kubernetes=True)
"""

TracesOf = Callable[[Lab], list[str]]


@pytest.mark.timeout(400)
def test_nothing_is_left_of_a_cluster_whose_lab_up_was_killed_while_pods_started(
    downed_lab: Lab, traces_of: TracesOf
) -> None:
    try:
        require()
    except Missing as error:
        pytest.skip(str(error))
    command = [sys.executable, "-c", _UP, downed_lab.name, downed_lab.subnet]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as going_up:
        assert going_up.stdout
        assert any("kubectl --kubeconfig" in line for line in going_up.stdout)
        _await(lambda: _pods(downed_lab))
        os.killpg(going_up.pid, signal.SIGKILL)
    found = namespaces(possible_spaces(downed_lab))
    assert groups.present(found)
    pods = _pods(downed_lab)
    down(downed_lab.name, print)
    assert traces_of(downed_lab) == []
    assert groups.present(found) == []
    assert [pid for pid in pods if Path(f"/proc/{pid}").exists()] == []
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(downed_lab.state) not in mounts


def _pods(lab: Lab) -> list[int]:
    """Return the processes in the containers of a cluster: they are in none of the lab's network namespaces."""
    wanted = [f"/{lab.namespace(node)}-" for node in NODES]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            group = (process / "cgroup").read_text()
        except OSError:
            continue
        if any(name in group for name in wanted) and "/k8s.io/" in group:
            found.append(int(process.name))
    return found


def _await(come: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.2)
