"""The images unpacked once, and handed to each node in a moment."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.commands import ENVIRONMENT
from lab.kubernetes.images.catalogue import images
from lab.kubernetes.images.oci import Store
from runner.errors import CommandFailed
from runner.paths import cache_dir

__all__ = ["BLOBS", "IN_USE", "hand_out", "unpack"]

# Every node holds a shared lock on this file of the images that it runs, from within its first process.
IN_USE = "in-use"
_SCRIPT = Path(__file__).parent / "import.sh"
_PATIENCE = 600
_COMPLETE = "complete"
BLOBS = "io.containerd.content.v1.content/blobs/sha256"
_SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots"


def unpack(binaries: dict[str, Path]) -> Path:
    """Return a directory with all images in it, unpacked; what did not change since the last time is not made anew."""
    place = cache_dir() / "images"
    store = Store(place)
    place.mkdir(parents=True, exist_ok=True)
    with _locked(place / "lock"):
        wanted = images(binaries)
        unpacked = place / store.key(wanted)
        if not (unpacked / _COMPLETE).exists():
            shutil.rmtree(unpacked, ignore_errors=True)
            known = _begin(unpacked)
            _import(store.archive(wanted, known), unpacked)
            _discard(place, unpacked)
            store.prune(wanted)
    return unpacked


def hand_out(unpacked: Path, directory: Path, seen_as: str) -> None:
    """Give a node's containerd these images.

    The layers stay where they are, for all nodes to read, and the node sees them at `seen_as`; what containerd
    writes to is its own.
    """
    root = unpacked / "containerd"
    for at, directories, names in os.walk(root):
        own = directory / Path(at).relative_to(root)
        own.mkdir(parents=True, exist_ok=True)
        if at.endswith(_SNAPSHOTS):
            for name in directories:
                (own / name).symlink_to(f"{seen_as}/containerd/{_SNAPSHOTS}/{name}")
            directories.clear()
        for name in names:
            _copy(Path(at, name), own / name)


def _copy(source: Path, target: Path) -> None:
    """Copy what is written to in place, and link what is not, where that can be."""
    if source.suffix != ".db":
        with suppress(OSError):
            target.hardlink_to(source)
            return
    shutil.copy2(source, target)


def _begin(unpacked: Path) -> frozenset[str]:
    """Begin with what was unpacked last, and return the digests of what is in it."""
    before = sorted(unpacked.parent.glob(f"*/{_COMPLETE}"), key=lambda path: path.stat().st_mtime)
    unpacked.mkdir()
    if not before:
        return frozenset()
    _run(["cp", "-al", str(before[-1].parent / "containerd"), str(unpacked)])
    for file in (unpacked / "containerd").rglob("*.db"):
        # A link would let containerd write into the older one.
        own = file.with_suffix(".own")
        shutil.copy2(file, own)
        own.replace(file)
    return frozenset(path.name for path in (unpacked / "containerd" / BLOBS).iterdir())


def _import(archive: Path, unpacked: Path) -> None:
    own = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    _run([*own, "sh", str(_SCRIPT), str(unpacked / "containerd"), str(archive)])
    archive.unlink()
    (unpacked / IN_USE).touch()
    (unpacked / _COMPLETE).touch()


def _discard(place: Path, newest: Path) -> None:
    """Throw older images away, but for the last before these and for those that a lab still runs."""
    older_ones = sorted(place.glob(f"*/{IN_USE}"), key=lambda path: path.stat().st_mtime)
    for older in older_ones[:-2]:
        if older.parent != newest:
            with older.open() as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(older.parent)


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: PLW1510 - the status is looked at below
        command, capture_output=True, text=True, timeout=_PATIENCE, env=ENVIRONMENT
    )
    if done.returncode:
        raise CommandFailed("this machine", command, done.returncode, done.stderr)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other labs of this machine from making the same images at the same time."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
