"""Which process is a node's first: pods in the node's network have one of that number too."""

import subprocess
import time

import pytest

from lab.kubernetes.refresh import first_process
from lab.plan import Lab
from lab.processes import inhabitants, namespaces
from runner.errors import Unreachable

MACHINE = ("unshare", "--pid", "--fork", "--kill-child")


@pytest.mark.parametrize(("levels", "found"), [(1, True), (2, False)])
def test_first_process_is_one_level_down(levels: int, found: bool) -> None:
    lab = Lab("firstone")
    space = lab.namespace("worker-01")
    subprocess.run(["ip", "netns", "add", space], check=True)
    try:
        inside = ["ip", "netns", "exec", space, *MACHINE, "sleep", "60"]
        below = [*MACHINE, "sh", "-c", '"$@"; true', "sh", *inside]
        machine = subprocess.Popen(below if levels == 2 else inside)
        limit = time.monotonic() + 10
        while len(inhabitants(namespaces([space]).values())) < 2:
            assert time.monotonic() < limit
            time.sleep(0.02)
        if found:
            first_process(lab, "worker-01")
        else:
            with pytest.raises(Unreachable, match="worker-01 of lab 'firstone' is not running"):
                first_process(lab, "worker-01")
    finally:
        machine.kill()
        machine.wait()
        subprocess.run(["ip", "netns", "del", space], check=True)
