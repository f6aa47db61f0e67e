"""Looking at a target from its own point of view: by sockets of this machine, or by running the look there."""

import json
import select
import subprocess
import threading
from collections.abc import Callable, Sequence
from importlib import import_module, util
from pathlib import Path
from typing import Any

from runner.errors import ChaosctlError, Missing, Unreachable, in_one_line
from runner.model import Look, ProbeCall, Sight, clock
from runner.targets import Looking, Target

__all__ = ["Lookout", "look", "named"]

_OLDEST = [3, 11]
_PATIENCE = 30.0


def look(at: Target, call: ProbeCall, before: Look | None) -> Look:
    """Return what a probe sees at a target now; `before` is what it saw there without the fault."""
    if isinstance(at, Looking) and not call.here:
        return at.look(call, before)
    probe: Callable[..., Look] = named(call.function)
    return probe(at, before, **call.arguments)


def named(function: str) -> Callable[..., Any]:
    """Return what `module:function` stands for."""
    module, _, attribute = function.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found


class Lookout:
    """A Python at a target that runs probes there, reached through a command's standard input and output.

    `reached` makes of an argument list the one that runs it there, with standard input and output handed through. The
    probe's own code goes along, so nothing needs to be installed there but Python. It ends with this process.
    """

    def __init__(self, name: str, reached: Callable[[Sequence[str]], list[str]]) -> None:
        self._name = name
        self._reached = reached
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""
        self._one_at_a_time = threading.Lock()

    def look(self, call: ProbeCall, before: Look | None) -> Look:
        """Return what the probe saw; raises ChaosctlError as the probe did, or Missing and Unreachable."""
        asked = {
            "name": self._name,
            "function": call.function,
            "arguments": dict(call.arguments),
            "before": vars(before) if before else None,
        }
        with self._one_at_a_time:
            try:
                answer = self._exchange(asked)
            except ChaosctlError:
                self._end()
                raise
        if "error" in answer:
            raise ChaosctlError(answer["error"], answer["fix"])
        return Look(**{**answer["look"], "sight": Sight(answer["look"]["sight"])})

    def _exchange(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask, and hand over the code that is asked for on the way to the answer."""
        if self._process is None:
            self._start()
        limit = clock() + _PATIENCE
        self._say(asked)
        while "need" in (answer := self._hear(limit)):
            self._say(_module(answer["need"]))
        return answer

    def _start(self) -> None:
        agent = Path(__file__).with_name("agent.py")
        argv = self._reached(("python3", "-I", "-c", agent.read_text()))
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe)
        version = self._hear(clock() + _PATIENCE)["python"]
        if version < _OLDEST:
            raise Missing(
                f"{self._name} has Python {version[0]}.{version[1]}: looks that are made there need 3.11 or later.",
                "Install a newer python3 there, or choose a fault that is proven by commands alone.",
            )

    def _say(self, told: object) -> None:
        assert self._process  # noqa: S101 - started before
        assert self._process.stdin  # noqa: S101 - a pipe
        try:
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return  # the reason is what it says at its end, which is read next

    def _hear(self, limit: float) -> dict[str, Any]:
        assert self._process  # noqa: S101 - started before
        assert self._process.stdout  # noqa: S101 - a pipe
        handle = self._process.stdout
        while b"\n" not in self._read:
            if not select.select([handle], [], [], max(0.0, limit - clock()))[0]:
                raise Unreachable(f"{self._name} did not say what it sees within {_PATIENCE:g} s.")
            if not (more := handle.read1()):  # type: ignore[attr-defined]
                raise self._died()
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> ChaosctlError:
        assert self._process  # noqa: S101 - started before
        told = in_one_line(self._process.communicate()[1].decode(errors="replace"))[-300:]
        if self._process.returncode == 127:
            return Missing(
                f"`python3` is not installed at {self._name}, and looks are made there.",
                "On Debian: apt-get install python3",
            )
        return Unreachable(f"The look at {self._name} broke off: {told or 'it said nothing'}.")

    def _end(self) -> None:
        """End it and whatever it was about; the next look begins anew."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process, self._read = None, b""


def _module(name: str) -> dict[str, Any] | None:
    """Return a module's source; None where there is none that can be sent."""
    try:
        spec = util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin)
    if file.suffix != ".py":
        return None
    package = spec.submodule_search_locations is not None
    return {"origin": f"{name} (sent)", "package": package, "source": file.read_text()}
