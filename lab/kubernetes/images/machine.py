"""What of this machine goes into images: programs with their libraries, its Python, and installed distributions."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from lab.commands import ENVIRONMENT
from lab.kubernetes.images.layer import Layer
from runner.errors import Missing

__all__ = ["distributions", "programs", "python", "runtimes", "tree"]

_LIBRARY = re.compile(r"(?:=> |^\s+)(/\S+) \(0x", re.MULTILINE)
_SYSTEM = ("/lib", "/usr/lib")
# Those that manylinux allows (PEP 513) and that no window is drawn with.
_RUNTIMES = "libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0"
_UNUSED = {
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "lib2to3",
    "ensurepip",
    "site-packages",
    "dist-packages",
}
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
PREFIX = "usr/local"


def programs(*names: str) -> Layer:
    """Return these programs, at the places where they are here, and the libraries they need; raises Missing."""
    found = {name: shutil.which(name, path=ENVIRONMENT["PATH"]) for name in names}
    if missing := [name for name, path in found.items() if not path]:
        raise Missing(
            f"The images of the lab need programs that are not here: {', '.join(missing)}.",
            "In a checkout: lab/install-debian-packages --kubernetes",
        )
    paths = [Path(path) for path in found.values() if path]
    return Layer({**{_place(path): path.resolve() for path in paths}, **_libraries(paths)})


def python() -> Layer:
    """Return this machine's Python and its standard library, without its tests and what draws windows."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    program = Path(sys.base_prefix, "bin", PYTHON).resolve()
    files = {path: source for path, source in tree(stdlib, f"{PREFIX}/lib/{PYTHON}").items() if "/config-" not in path}
    needed = _libraries([program, *(source for source in files.values() if source.suffix == ".so")])
    return Layer({f"{PREFIX}/bin/{PYTHON}": program, **files, **needed}, {f"{PREFIX}/bin/python3": PYTHON})


def runtimes() -> Layer:
    """Return the libraries that compiled distributions from PyPI may take from the system; raises Missing."""
    places = [Path(place, sysconfig.get_config_var("MULTIARCH") or "") for place in (*_SYSTEM, "/usr/lib64")]
    found = {name: next((at / name for at in places if (at / name).exists()), None) for name in _RUNTIMES}
    if missing := [name for name, path in found.items() if path is None]:
        raise Missing(
            f"The images of the lab need libraries that are not here: {', '.join(missing)}.",
            "In a checkout: lab/install-debian-packages libstdc++6",
        )
    return Layer({_place(path): path.resolve() for path in found.values() if path})


def tree(directory: Path, place: str) -> dict[str, Path]:
    """Return all files of a directory that are used when programs run, with where they go in the image."""
    found: dict[str, Path] = {}
    for at, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name not in _UNUSED]
        below = os.path.relpath(at, directory)
        found |= {os.path.normpath(f"{place}/{below}/{name}"): Path(at, name) for name in names}
    return found


def distributions(*names: str) -> tuple[metadata.Distribution, ...]:
    """Return installed distributions and all that they need at run time."""
    found: dict[str, metadata.Distribution] = {}
    _gather(names, found)
    return tuple(found.values())


def _gather(names: Iterable[str], found: dict[str, metadata.Distribution]) -> None:
    for name in names:
        canonical = re.sub(r"[-_.]+", "-", name).lower()
        if canonical in found:
            continue
        try:
            found[canonical] = metadata.distribution(canonical)
        except metadata.PackageNotFoundError:
            continue  # needed by another Python or on another system
        _gather(_needs(found[canonical]), found)


def _needs(distribution: metadata.Distribution) -> Iterator[str]:
    for requirement in distribution.requires or ():
        if "extra ==" not in requirement and (name := re.match(r"[\w.-]+", requirement)):
            yield name[0]


def _libraries(paths: Iterable[Path]) -> dict[str, Path]:
    """Return the shared libraries of programs and modules, as the loader here finds them."""
    told = subprocess.run(  # noqa: PLW1510 - its status tells of static programs among them
        ["ldd", *map(str, paths)], capture_output=True, text=True, timeout=60, env=ENVIRONMENT
    )
    return {_place(Path(found)): Path(found).resolve() for found in _LIBRARY.findall(told.stdout)}


def _place(path: Path) -> str:
    """Return where a program or library goes; what the loader would not find elsewhere goes beside libc."""
    place = path.parent.resolve() / path.name
    if ".so" in path.name and not str(place).startswith(_SYSTEM):
        place = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH") or "", path.name)
    return str(place).removeprefix("/")
