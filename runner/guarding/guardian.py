"""Does a fault at a target and ends it there: sent as it stands to the target's own Python, 3.9 or later.

`arm` leaves this program and what it is about in /run/chaosctl, starts a process of its own (`guard`) that does the
fault, and returns when that is done. The guardian ends it at the deadline, whatever has become of those who asked for
it. `state`, `count` and `end` are for those who come later, also where the guardian was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from runner.guarding.child import Child
from runner.guarding.fill import Fill
from runner.guarding.ground import SIGNALS, Failed, Kind, text
from runner.guarding.processes import Processes
from runner.guarding.setting import Setting

TICK = 0.2
KINDS: dict[str, type[Kind]] = {"processes": Processes, "child": Child, "fill": Fill, "setting": Setting}


DAMAGED = {"phase": "damaged"}


def noted(path: Path) -> dict[str, Any]:
    """Return what a note says; nothing where there is none."""
    try:
        told = json.loads(text(path) or "{}")
    except ValueError:
        return dict(DAMAGED)
    return told if isinstance(told, dict) else dict(DAMAGED)


class Guardian:
    """One fault: what is known of it lies in a file, and whoever guards it holds that file's lock."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.path = program.with_suffix(".json")
        self.told: dict[str, Any] = noted(self.path)
        self.lock = -1

    def note(self, **changes: Any) -> None:
        """Write down what is known, whole."""
        self.told.update(changes)
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps(self.told))
        draft.rename(self.path)

    def hold(self, wait: float) -> bool:
        """Take the lock, if it is to be had in so many seconds."""
        if self.lock < 0:
            self.lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        limit = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > limit:
                    return False
                time.sleep(0.01)
            else:
                return True

    def arm(self, told: dict[str, Any], program: str) -> None:
        """Start the guardian, and return when the fault is in place; raises Failed where it cannot be."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.program.write_text(program)
        self.note(**told, phase="armed")
        argv = [sys.executable, "-I", str(self.program), "guard"]
        if Path("/run/systemd/system").is_dir() and shutil.which("systemd-run"):
            argv = ["systemd-run", "--quiet", "--collect", f"--unit=chaosctl-{told['id']}", *argv]
        quiet = subprocess.DEVNULL
        subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, cwd="/")
        limit = time.monotonic() + 8
        while self.told["phase"] == "armed" and time.monotonic() < limit:
            time.sleep(0.005)
            self.told = json.loads(text(self.path))
        if self.told["phase"] in ("armed", "failed"):
            reason = self.told.get("reason", "its guardian did not start")
            self.end()
            raise Failed(reason)

    def guard(self) -> None:
        """Do the fault, stay until its deadline, and end it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        self.hold(5)
        for file, value in (("oom_score_adj", "-1000"), ("comm", "chaosctl-guard")):
            with contextlib.suppress(OSError):
                Path(f"/proc/self/{file}").write_text(value)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, -20)
        work = KINDS[self.told["kind"]](self.told["work"])
        seconds = self.told["seconds"]
        ends = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            work.prepare()
            self.note(guardian=os.getpid(), until=time.time() + seconds)
            work.begin()
        except (OSError, Failed, subprocess.SubprocessError) as error:
            work.end()
            self.note(phase="failed", reason=str(error))
            return
        self.note(phase="live")
        early = self.wait(work, ends) if seconds else ""
        work.end()
        self.note(phase="ended", reason=early, ended=time.time())
        self.note(hits=work.hits())

    def wait(self, work: Kind, ends: float) -> str:
        """Return at the deadline, when told to, or when it is over before; says why that was."""
        while (left := ends - time.clock_gettime(time.CLOCK_BOOTTIME)) > 0:
            got = signal.sigtimedwait(SIGNALS, min(left, TICK))
            if got and got.si_signo == signal.SIGALRM:
                return ""
            if reason := work.watch() or (got and "ended by request"):
                return reason
        return ""

    def state(self) -> str:
        """Return whether the fault acts."""
        alive = not self.hold(0)
        if self.told == DAMAGED:
            return "live" if alive else "inert"
        work = KINDS[self.told["kind"]](self.told["work"])
        return "live" if (alive and self.told["phase"] != "ended") or work.acts() else "inert"

    def count(self) -> str:
        """Return how often the workload met it, so far as that was written down; the guardian is asked to end first."""
        self.dismiss()
        return f"hits {self.told.get('hits', 'unknown')}"

    def dismiss(self) -> None:
        """Let the guardian end the fault; where it is dead or does not, end it instead."""
        if not self.hold(0):
            self.understand()
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(self.told["guardian"], signal.SIGTERM)
            if not self.hold(5):
                with contextlib.suppress(ProcessLookupError, KeyError):
                    os.kill(self.told["guardian"], signal.SIGKILL)
                self.hold(2)
        self.told = noted(self.path)
        self.understand()
        if self.told.get("phase") not in ("ended", "failed"):
            KINDS[self.told["kind"]](self.told["work"]).end()

    def understand(self) -> None:
        """Refuse to go on where nothing can be known of the fault; raises Failed."""
        if self.told == DAMAGED:
            raise Failed(
                f"the note {self.path} is damaged, so what it did is not known. Its guardian, if it lives, ends it at "
                "its deadline and writes the note again; if it does not, see for yourself and remove the note"
            )

    def end(self) -> None:
        """End the fault wherever it stands, and leave nothing."""
        if self.told:
            self.dismiss()
        for suffix in (".json", ".new", ".lock", ".py"):
            self.path.with_suffix(suffix).unlink(missing_ok=True)


def main() -> None:
    """Do what the first argument says."""
    what = sys.argv[1]
    if what == "arm":
        told = globals()["TOLD"]
        Guardian(Path(told["place"], f"{told['id']}.py")).arm(told, told.pop("program"))
        return
    guardian = Guardian(Path(sys.argv[0]))
    shown = getattr(guardian, what)()
    if shown is not None:
        sys.stdout.write(f"{shown}\n")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"{error}")
