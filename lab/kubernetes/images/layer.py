"""A layer of an image as a description: which file of this machine goes where, and what is written besides."""

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

__all__ = ["Layer"]


@dataclass(frozen=True)
class Layer:
    """Paths in the image, without the slash in front, and what is there; directories above them follow.

    `files` are copied from this machine with their mode and time, all of them owned by root. `texts` are written,
    executable where they begin with `#!`. `owned` are directories that belong to a user of that number.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, int] = field(default_factory=dict)

    def without(self, *below: "Layer") -> "Layer":
        """Return the layer less the files that those below it have already."""
        known = {path for layer in below for path in layer.files}
        files = {path: source for path, source in self.files.items() if path not in known}
        return Layer(files, self.links, self.texts, self.owned)

    def key(self) -> str:
        """Return what changes when the layer would: the state of each file is looked at, its content is not read.

        Compiled modules are left out: Python adds them whenever it pleases, and they follow from the rest.
        """
        named = [(path, source) for path, source in sorted(self.files.items()) if "/__pycache__/" not in path]
        states = [(path, source.stat()) for path, source in named]
        told = [(path, found.st_size, found.st_mtime_ns, found.st_mode) for path, found in states]
        rest = [sorted(part.items()) for part in (self.links, self.texts, self.owned)]
        return hashlib.sha256(repr((told, rest)).encode()).hexdigest()

    def write(self, archive: Path) -> None:
        """Write the layer as a tar file; the same layer gives the same bytes."""
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            for entry in self._directories():
                tar.addfile(entry)
            for path, source in sorted(self.files.items()):
                with source.open("rb") as content:
                    tar.addfile(_entry(path, source), content)
            for path, target in sorted(self.links.items()):
                entry = tarfile.TarInfo(path)
                entry.type, entry.linkname = tarfile.SYMTYPE, target
                tar.addfile(entry)
            for path, text in sorted(self.texts.items()):
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = len(text.encode()), 0o755 if text.startswith("#!") else 0o644
                tar.addfile(entry, io.BytesIO(text.encode()))

    def _directories(self) -> Iterator[tarfile.TarInfo]:
        paths = (*self.files, *self.links, *self.texts, *(f"{path}/x" for path in self.owned))
        for path in sorted({str(above) for named in paths for above in PurePosixPath(named).parents} - {"."}):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
            entry.uid = entry.gid = self.owned.get(path, 0)
            yield entry


def _entry(path: str, source: Path) -> tarfile.TarInfo:
    found = source.stat()
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime, entry.mode = found.st_size, int(found.st_mtime), found.st_mode & 0o777
    return entry
