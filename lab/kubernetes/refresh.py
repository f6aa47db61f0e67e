"""Newer images for a cluster that runs: what changed since its nodes were started is handed to each of them."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab.commands import run
from lab.kubernetes.binaries import require
from lab.kubernetes.images.catalogue import images
from lab.kubernetes.images.oci import Store
from lab.kubernetes.images.unpacked import BLOBS
from lab.kubernetes.machines import NEWEST, directory
from lab.kubernetes.names import NODES
from lab.plan import Lab
from lab.processes import inhabitants, namespaces
from runner.errors import CommandFailed, Unreachable
from runner.paths import cache_dir

__all__ = ["first_process", "refresh"]

Say = Callable[[str], None]
_TRIES = 3


def refresh(lab: Lab, lock: int, say: Say) -> None:
    """Give every node the images as they would be made now; running pods keep theirs."""
    store, wanted = Store(cache_dir() / "images"), images(require())
    key = store.key(wanted)
    stale = [node for node in NODES if (directory(lab, node) / NEWEST).read_text() != key]
    for node in stale:
        at = directory(lab, node)
        archive = store.archive(wanted, {path.name for path in (at / "containerd" / BLOBS).iterdir()})
        archive = Path(shutil.move(archive, at / "newer-images.tar"))
        _import(lab, node, lock)
        archive.unlink()
        (at / NEWEST).write_text(key)
    if stale:
        say(f"{lab.name}: newer images were loaded at {', '.join(stale)}; pods take them when they are started anew")


def _import(lab: Lab, node: str, lock: int) -> None:
    """Load the images, and again where containerd just removed a part of the last ones that these are made of."""
    ctr = ["ctr", "--namespace", "k8s.io", "images", "import", "/run/machine/newer-images.tar"]
    argv = ["nsenter", "--target", str(first_process(lab, node)), "--all", *ctr]
    for _ in range(_TRIES - 1):
        with suppress(CommandFailed):
            run(argv, lock)
            return
    run(argv, lock)


def first_process(lab: Lab, node: str) -> int:
    """Return the process that is number 1 on a node; raises Unreachable where the node is not there.

    Pods in the node's network have a number 1 too, one level further down.
    """
    for pid in inhabitants(namespaces([lab.namespace(node)]).values()):
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile; the first one does not
        if status.partition("NSpid:")[2].split("\n")[0].split() == [str(pid), "1"]:
            return pid
    raise Unreachable(f"{node} of lab {lab.name!r} is not running.", f"chaosctl lab status --name {lab.name}")
