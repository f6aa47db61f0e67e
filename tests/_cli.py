"""chaosctl as people call it: in a process of its own, or, where only its words matter, in this one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli.main import main

CHAOSCTL = str(Path(sys.executable).parent / "chaosctl")

_READ = (
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)
AS_NOBODY = "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *_READ
"""Runs what follows as nobody, who may read everything, so that Python is found wherever it is, and do nothing else."""


@dataclass(frozen=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def chaosctl(*arguments: str, **environment: str) -> Said:
    """Run it to its end in a process of its own."""
    done = subprocess.run(
        [CHAOSCTL, *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(*arguments: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Start it as the leader of its own process group, and end that group afterwards."""
    process = subprocess.Popen(
        [CHAOSCTL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **environment},
        process_group=0,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def proven(run: "subprocess.Popen[str]") -> str:
    """Listen to an injection until its effect is proven, and return the fault's id."""
    assert run.stdout
    said = [next(run.stdout)]
    while "effective" not in said[-1]:
        line = run.stdout.readline()
        assert line, f"{''.join(said)}{run.stderr.read() if run.stderr else ''}"
        said.append(line)
    return said[0].split()[1].rstrip(":")


@dataclass(frozen=True)
class Speaker:
    """Calls it in this process."""

    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Said:
        """Run it to its exit."""
        self.capture.readouterr()
        self.patch.setattr(sys, "argv", ["chaosctl", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self.capture.readouterr()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, printed.out, printed.err)
