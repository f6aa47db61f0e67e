"""Taking a lab down, from what is there: a lab that was killed while going up leaves no trace either."""

import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from lab import environment, groups
from lab.commands import require_root, run
from lab.lock import held
from lab.network import possible_spaces, resolver_directories
from lab.plan import Lab
from lab.processes import Identity, end, inhabitants, namespaces
from runner.errors import CommandFailed, Residue
from runner.model import format_duration
from runner.paths import state_dir

__all__ = ["down", "sweep", "traces"]


def down(name: str, say: Callable[[str], None]) -> None:
    """Remove every trace of the lab; raises Residue, naming what is left, and Missing where we are not root."""
    require_root()
    started = time.monotonic()
    with held(Lab(name), say) as lock:
        lab = Lab.on_this_machine(name) or Lab(name)
        found = traces(lab)
        sweep(lab, lock)
    took = format_duration(time.monotonic() - started)
    say(f"{name}: down, nothing is left ({took})" if found else f"{name}: there was nothing to take down")


def sweep(lab: Lab, lock: int) -> None:
    """End and remove all that bears the lab's names, then look again; raises Residue where something is left."""
    found = namespaces(possible_spaces(lab))
    failures = []
    for here in _wherever(lab):
        environment.remove(here)
    end(found.values())
    groups.remove(found)
    for command in (*_link_removal(lab), *(["ip", "netns", "delete", space] for space in found)):
        try:
            run(command, lock)
        except CommandFailed as error:
            failures.append(error.message)
    for directory in _directories(lab):
        shutil.rmtree(directory, ignore_errors=True)
        with suppress(OSError):
            directory.parent.rmdir()
    if left := traces(lab, found):
        what = "; ".join(left)
        raise Residue(
            " ".join([f"Lab {lab.name!r} could not be removed altogether, this is left: {what}.", *failures]),
            f"Remove it by hand: {' && '.join(left.values())}",
        )
    os.ftruncate(lock, 0)


def traces(lab: Lab, known: Mapping[str, Identity] = MappingProxyType({})) -> dict[str, str]:
    """Return what there is of the lab, each with the command that removes it; `known` were its namespaces."""
    found = {f"process {pid}": f"kill -KILL {pid}" for pid in inhabitants(known.values())}
    found |= {f"control group {path}": f"find {path} -depth -type d -delete" for path in groups.present(known)}
    found |= {f"namespace {space}": f"ip netns delete {space}" for space in namespaces(possible_spaces(lab))}
    found |= {f"link {command[-1]}": " ".join(command) for command in _link_removal(lab)}
    found |= {str(path): f"rm -r {path}" for path in _directories(lab) if path.exists()}
    return found


def _link_removal(lab: Lab) -> Iterator[list[str]]:
    if lab.link in [name for _, name in socket.if_nameindex()]:
        yield ["ip", "link", "delete", lab.link]


def _directories(lab: Lab) -> tuple[Path, ...]:
    return (*resolver_directories(possible_spaces(lab)), *(here.state for here in _wherever(lab)))


def _wherever(lab: Lab) -> list[Lab]:
    """Return the lab under the state directory it was noted with and under today's: sudo may have changed it."""
    return [replace(lab, root=root) for root in {lab.root, state_dir()}]
