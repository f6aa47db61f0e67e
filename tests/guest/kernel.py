"""Debian's stock kernel, unpacked beside this machine's own and never installed: `python -m tests.guest.kernel`.

It is fetched by apt, which checks where it comes from, and kept in a cache directory by its version.
"""

import os
import re
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import click

__all__ = ["Kernel", "NoKernel", "cached", "fetch"]

_META = "linux-image-amd64"
_PARTS = (
    "./boot/vmlinuz-*",
    "./lib/modules/*/modules.*",
    *(f"./lib/modules/*/kernel/{part}" for part in ("net", "lib", "crypto", "arch", "fs/9p", "fs/overlayfs")),
    *(f"./lib/modules/*/kernel/{part}" for part in ("fs/netfs", "fs/fscache", "drivers/virtio", "drivers/net/*.ko*")),
    *(f"./lib/modules/*/kernel/{part}" for part in ("fs/ext4", "fs/jbd2", "fs/mbcache.ko*", "drivers/block/loop.ko*")),
)
_WHOLE = f"whole-{zlib.crc32(' '.join(_PARTS).encode()):08x}"
"""The file that says that all of these parts are there."""


class NoKernel(Exception):
    """There is none; the message says why, and what to do."""


@dataclass(frozen=True)
class Kernel:
    """One kernel in the cache: `root` holds boot/ and lib/ as its package has them."""

    root: Path

    @property
    def release(self) -> str:
        """What `uname -r` says under it."""
        return next((self.root / "lib" / "modules").iterdir()).name

    @property
    def image(self) -> Path:
        """The file that boots."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """The directory of its modules."""
        return self.root / "lib" / "modules" / self.release


def cached() -> Kernel:
    """Return the newest that was fetched; raises NoKernel."""
    whole = sorted(_cache().glob(f"*/{_WHOLE}"), key=lambda path: path.stat().st_mtime)
    if not whole:
        raise NoKernel(f"Debian's kernel is not in {_cache()}: `make guest` fetches it")
    return Kernel(whole[-1].parent)


def fetch() -> Kernel:
    """Return the current one, and fetch it if it is not in the cache; raises NoKernel.

    Package lists may be missing or name a version that is no longer offered, so they are renewed once. Without a way
    to the archive, what was fetched before will do.
    """
    try:
        return _fetched()
    except NoKernel as why:
        click.echo(f"{why}. Asking for the newest package lists.")
    subprocess.run(["apt-get", "update", "-q"], check=False, stdout=subprocess.DEVNULL)
    try:
        return _fetched()
    except NoKernel:
        if not list(_cache().glob(f"*/{_WHOLE}")):
            raise
        return cached()


def _fetched() -> Kernel:
    package = _current()
    root = _cache() / f"{package}-{_candidate(package)}"
    if not (root / _WHOLE).exists():
        _unpack(package, root)
        for older in set(_cache().iterdir()) - {root}:
            shutil.rmtree(older)
    return Kernel(root)


def _unpack(package: str, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    click.echo(f"Fetching {package}, about 70 MB, into {root}")
    sandbox = ("-o", "APT::Sandbox::User=root") if os.geteuid() == 0 else ()
    _run(["apt-get", *sandbox, "download", package], root)
    archive = next(root.glob("*.deb"))
    click.echo("Unpacking what a guest needs of it")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as packed:
        unpack = ["tar", "--extract", "--wildcards", "--directory", str(root), *_PARTS]
        subprocess.run(unpack, stdin=packed.stdout, check=True)
    _run(["depmod", "--basedir", str(root), Kernel(root).release], root)
    archive.unlink()
    (root / _WHOLE).touch()


def _current() -> str:
    """Return the package that the newest kernel is in: the meta package depends on it."""
    depends = _said("apt-cache", "depends", _META)
    found = re.search(r"Depends: (linux-image-\S+)", depends)
    if not found:
        raise NoKernel(f"apt does not know {_META}: run apt-get update; it exists for amd64 alone")
    return found[1]


def _candidate(package: str) -> str:
    found = re.search(r"Candidate: (\S+)", _said("apt-cache", "policy", package))
    if not found:
        raise NoKernel(f"apt has no version of {package}: run apt-get update")
    return found[1]


def _said(*argv: str) -> str:
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        ).stdout
    except FileNotFoundError as error:
        raise NoKernel(f"{argv[0]} is not here: the guest's kernel is a Debian package") from error


def _run(argv: list[str], where: Path) -> None:
    try:
        subprocess.run(argv, cwd=where, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoKernel(f"`{' '.join(argv)}` did not succeed: {error}") from error


def _cache() -> Path:
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "chaosctl" / "guest"
    if os.geteuid() == 0:
        return Path("/var/cache/chaosctl/guest")
    return Path.home() / ".cache" / "chaosctl" / "guest"


if __name__ == "__main__":
    try:
        click.echo(f"The guest's kernel is {fetch().release}.")
    except NoKernel as refused:
        sys.exit(f"{refused}.")
