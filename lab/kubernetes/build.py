"""Building the cluster's programs, once: an interrupted build goes on where it was, from Go's own cache."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab.commands import ENVIRONMENT
from lab.kubernetes.binaries import (
    COREDNS,
    KUBERNETES,
    KWOK,
    OPTIONAL,
    PROGRAMS,
    PROMETHEUS,
    directory,
    find,
    missing_packages,
    require,
)
from lab.kubernetes.images.unpacked import unpack
from runner.errors import CommandFailed, Missing
from runner.model import format_duration

__all__ = ["build"]

_MODULES = Path(__file__).parent / "modules"
_VERSION = "k8s.io/component-base/version"
_NUMBERS = KUBERNETES.removeprefix("v").split(".")
# Without them programs take themselves for a version that nothing else is compatible with.
_STAMPS = {
    "kubernetes": {
        f"{_VERSION}.gitVersion": KUBERNETES,
        f"{_VERSION}.gitMajor": _NUMBERS[0],
        f"{_VERSION}.gitMinor": _NUMBERS[1],
    },
    "coredns": {"github.com/coredns/coredns/coremain.GitCommit": COREDNS},
    "prometheus": {"github.com/prometheus/common/version.Version": PROMETHEUS},
    "kwok": {"sigs.k8s.io/kwok/pkg/consts.Version": KWOK},
}
_PACKAGES = {
    "kubernetes": "k8s.io/kubernetes/cmd/{}",
    "coredns": ".",
    "small": "./{}",
    "prometheus": "github.com/prometheus/prometheus/cmd/{}",
    "kwok": "sigs.k8s.io/kwok/cmd/{}",
}
# Debian's Prometheus does not know how to ask Kubernetes; ours asks nobody else.
_TAGS = {"prometheus": "remove_all_sd,enable_kubernetes_sd"}
_EVERY = 15.0
_GO_ON = "What was built stays, and the same command goes on from there. Building needs about 8 GB on the disk."

Say = Callable[[str], None]


def build(say: Say, kwok: bool = False) -> None:
    """Build what was neither named nor built yet, one program after the other, and say how far it is.

    Raises Missing where there is no Go or musl-gcc, CommandFailed where a build fails.
    """
    place = directory()
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place, say):
        wanted = [name for name in PROGRAMS if not find(name) and (kwok or name not in OPTIONAL)]
        if wanted:
            _require_compilers()
        started = time.monotonic()
        for number, name in enumerate(wanted, 1):
            _build_one(place, name, partial(_say_of, say, f"[{number}/{len(wanted)}] {name}"))
        if not missing_packages():
            _build_images(say)
        took = f" ({format_duration(time.monotonic() - started)})" if wanted else ""
        say(f"All programs of the Kubernetes lab are in {place}{took}")


def _build_images(say: Say) -> None:
    """Make the images too, so that the first `lab up` need not; raises CommandFailed."""
    started = time.monotonic()
    say("images: making them of what is on this machine")
    unpack(require())
    say(f"images: made and unpacked in {format_duration(time.monotonic() - started)}")


def _say_of(say: Say, which: str, told: str) -> None:
    say(f"{which}: {told}")


def _require_compilers() -> None:
    for tool, fix in {
        "go": "Install Go 1.21 or later, from https://go.dev/dl/; it fetches the version it needs by itself.",
        "musl-gcc": "In a checkout: lab/install-debian-packages musl-tools",
    }.items():
        if not shutil.which(tool):
            raise Missing(f"The programs of the Kubernetes lab are built by {tool}, which is not here.", fix)


def _build_one(place: Path, name: str, say: Say) -> None:
    """Build one program, and have it in its place only when it is complete."""
    draft = place / f".{name}.{os.getpid()}"
    module = PROGRAMS[name]
    if module == "musl":
        argv = ["musl-gcc", "-static", "-O2", "-o", str(draft), "small/resolve.c"]
        _run(argv, _MODULES, say)
    else:
        stamps = " ".join(f"-X {variable}={value}" for variable, value in _STAMPS.get(module, {}).items())
        built = [
            "-v",
            "-trimpath",
            "-tags",
            _TAGS.get(module, ""),
            "-ldflags",
            f"-s -w {stamps}".strip(),
            "-o",
            str(draft),
        ]
        _run(["nice", "go", "build", *built, _PACKAGES[module].format(name)], _MODULES / module, say)
    draft.replace(place / name)


def _run(argv: list[str], module: Path, say: Say) -> None:
    """Run a compiler, which names each package on its standard error, and say now and then how many there were."""
    environment = {**os.environ, **ENVIRONMENT, "CGO_ENABLED": "0"}
    started = told = time.monotonic()
    lines: list[str] = []
    say("building")
    with subprocess.Popen(argv, cwd=module, env=environment, stderr=subprocess.PIPE, text=True) as compiler:
        assert compiler.stderr is not None  # noqa: S101 - it was asked for
        for line in compiler.stderr:
            lines.append(line.rstrip())
            if time.monotonic() - told > _EVERY:
                told = time.monotonic()
                say(f"{len(lines)} packages in {format_duration(told - started)}, now {lines[-1]}")
    if compiler.returncode:
        raise CommandFailed("this machine", argv, compiler.returncode, "\n".join(lines[-20:]), _GO_ON)
    say(f"built in {format_duration(time.monotonic() - started)}")


@contextmanager
def _alone(place: Path, say: Say) -> Iterator[None]:
    with (place / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another command builds already; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
