"""The global halt: one file that stops what runs on this machine and refuses what comes, until it is lifted.

Where the environment has a cluster, an object there does the same for every machine that has faults in it.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from runner.config import Chosen
from runner.errors import Aborted, ChaosctlError, CommandFailed, Missing, Unreachable
from runner.guardrails.ruling import Ruling, allow, deny
from runner.lock import unwritable
from runner.model import clock, iso
from runner.origin import user
from runner.paths import state_dir

__all__ = ["Halt", "HaltGuard", "declare", "declared", "guards", "lift", "rule", "rule_of_cluster"]

_NAME = "halt"
_FIX = "Once it is clear why: chaosctl halt --lift"


@dataclass(frozen=True)
class Halt:
    """Who called it, when (seconds since the epoch), and why; the reason may be empty."""

    at: float
    who: str
    reason: str

    @property
    def sentence(self) -> str:
        """All of that in words."""
        return f"{self.who} called a halt at {iso(self.at)}" + (f": {self.reason}" if self.reason else "")


def declare(reason: str) -> Halt:
    """Call a halt, durably; raises Missing where it cannot be written down."""
    halt, path = Halt(clock(), user(), reason), _path()
    draft = path.with_suffix(f".{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("w") as file:
            json.dump(asdict(halt), file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise unwritable(path.parent, error, "The state directory") from error
    return halt


def declared() -> Halt | None:
    """Return the halt that holds, or None; a file that cannot be read is a halt all the same."""
    try:
        return Halt(**json.loads(_path().read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError) as error:
        return Halt(clock(), "somebody", f"{_path()} cannot be read ({type(error).__name__})")


def lift() -> Halt | None:
    """Lift the halt and return it; None where there was none."""
    found = declared()
    try:
        _path().unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(_path().parent, error, "The state directory") from error
    return found


def rule() -> tuple[Ruling, ...]:
    """Return whether anything may be injected at all."""
    if halt := declared():
        return (deny(_NAME, f"{halt.sentence}. Nothing is injected until it is lifted.", _FIX),)
    return (allow(_NAME, "no halt was called"),)


def rule_of_cluster(chosen: Chosen) -> tuple[Ruling, ...]:
    """Return whether anything may be injected into the cluster of an environment; nothing where it has none."""
    if chosen.environment.kubernetes is None:
        return ()
    from runner import shared_halt  # noqa: PLC0415 - half a second that only clusters need

    if halt := shared_halt.declared(chosen):
        told = f"{halt.sentence}, for the cluster of {chosen.name!r}. Nothing is injected there until it is lifted."
        return (deny(_NAME, told, f"{_FIX} --env={chosen.name}"),)
    return (allow(_NAME, f"no halt was called for the cluster of {chosen.name!r}"),)


def guards(chosen: Chosen | None) -> list["HaltGuard"]:
    """Return what watches for a halt while something runs in an environment."""
    clusters = [_ClusterGuard(chosen)] if chosen and chosen.environment.kubernetes else []
    return [HaltGuard(), *clusters]


class HaltGuard:
    """Watches for a halt while something runs."""

    name = _NAME
    every = 0.2

    def look(self) -> ChaosctlError | None:
        """Return what stops the run, once a halt is called."""
        if not _path().exists():
            return None
        halt = declared()
        return Aborted(f"{halt.sentence}. What was live was healed at once.", _FIX) if halt else None

    def close(self) -> None:
        """Nothing is held."""


class _ClusterGuard(HaltGuard):
    """Watches for one in a cluster; while its API server is away or too busy, nobody can call one there either."""

    every = 1.0

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def look(self) -> ChaosctlError | None:
        """Return what stops the run, once a halt is called there."""
        try:
            [ruling] = rule_of_cluster(self._chosen)
        except (CommandFailed, Missing, Unreachable):
            return None
        return None if ruling.allowed else Aborted(f"{ruling.reason} What was live was healed at once.", ruling.fix)


def _path() -> Path:
    return state_dir() / "halt.json"
