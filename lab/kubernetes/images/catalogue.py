"""Which images the cluster runs, and what each is made of."""

import compileall
import sys
from pathlib import Path

from lab.kubernetes.images.layer import Layer
from lab.kubernetes.images.machine import PYTHON, distributions, programs, python, runtimes, tree
from lab.kubernetes.images.oci import Image
from lab.kubernetes.names import IMAGE, REGISTRY

__all__ = ["images"]

_HOME = Path(__file__).parent.parent.parent.parent
_PARTS = "actions", "probes", "runner", "reports", "lab", "experiments"
_APP = "app"
_TOOLS = "nft", "ip", "tc", "nsenter", "unshare", "ping", "ps"
_PYTHON = {
    "PATH": "/usr/local/bin:/usr/sbin:/usr/bin",
    "PYTHONPATH": f"/{_APP}",
    "PYTHONUNBUFFERED": "1",
    "HOME": "/tmp",  # noqa: S108 - the container's own
}
# Nobody in particular, as in Debian's own images.
_NOBODY = 65532

_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_ACCOUNTS = {
    "etc/passwd": f"root:x:0:0:root:/root:/bin/sh\nchaosctl:x:{_NOBODY}:{_NOBODY}:chaosctl:/tmp:/bin/sh\n",
    "etc/group": f"root:x:0:\nchaosctl:x:{_NOBODY}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def images(binaries: dict[str, Path]) -> tuple[Image, ...]:
    """Return all images; `binaries` are those that were built for them, by name. Raises Missing for programs."""
    base = Layer(links=_LINKS, texts=_ACCOUNTS, owned={"tmp": 0})
    shell = programs("sh", "getent", "env", "sleep", "cat").without(base)
    interpreter = python().without(base, shell)
    libraries = _installed("chaosctl").without(interpreter)
    product = Layer({path: source for part in _PARTS for path, source in _part(part).items()}, texts=_COMMAND)
    payment = _installed("prometheus-client", "aiohttp")
    tools = programs(*_TOOLS).without(base, shell, interpreter)
    common = (base, shell, interpreter)
    native = runtimes().without(base, shell, interpreter, tools)
    return (
        Image(f"{REGISTRY}/pause:lab", (_built(binaries, "pause"),), ("/pause",)),
        Image(f"{REGISTRY}/coredns:lab", (_built(binaries, "coredns"),), ("/coredns",)),
        Image(
            f"{REGISTRY}/prometheus:lab",
            (base, shell, Layer({"usr/bin/prometheus": binaries["prometheus"]})),
            ("/usr/bin/prometheus",),
        ),
        Image(
            f"{REGISTRY}/redis:lab",
            (base, shell, programs("redis-server", "redis-cli").without(shell)),
            ("/usr/bin/redis-server",),
        ),
        Image(
            f"{REGISTRY}/payment:lab",
            (*common, payment, Layer(_payment())),
            ("python3", "-P", "-m"),
            _PYTHON,
            f"{_NOBODY}",
        ),
        Image(f"{REGISTRY}/resolvers:lab", (*common, _resolvers(binaries)), ("/bin/sh",), _PYTHON),
        Image(IMAGE, (*common, tools, native, libraries, product), ("chaosctl",), _PYTHON, f"{_NOBODY}"),
    )


_COMMAND = {
    "usr/local/bin/chaosctl": f"#!/usr/local/bin/{PYTHON}\nfrom runner.cli.main import main\n\nmain()\n",
    "usr/local/bin/chaos": f"#!/usr/local/bin/{PYTHON}\nfrom chaostoolkit.__main__ import cli\n\ncli()\n",
}


def _built(binaries: dict[str, Path], name: str) -> Layer:
    return Layer({name: binaries[name]})


def _resolvers(binaries: dict[str, Path]) -> Layer:
    """Return resolvers of many kinds: busybox's, Go's, musl's, dnspython; glibc's is in getent, in a layer below."""
    files = {f"usr/local/bin/{name}": binaries[name] for name in ("resolve", "resolve-musl")}
    files["usr/local/bin/busybox"] = Path("/usr/bin/busybox")
    return Layer({**files, **_installed("dnspython").files})


def _installed(*names: str) -> Layer:
    """Return installed distributions and what they need, as files below one directory."""
    files: dict[str, Path] = {}
    for distribution in distributions(*names):
        for file in distribution.files or ():
            if ".." not in file.parts and (source := Path(str(file.locate()))).is_file() and "tests" not in file.parts:
                files[f"{_APP}/{file}"] = source
    return Layer(files)


def _part(part: str) -> dict[str, Path]:
    """Return a part of the product, compiled, as deploy/Containerfile does: else each node pod would as it starts."""
    compileall.compile_dir(_HOME / part, quiet=2)
    own = f".{sys.implementation.cache_tag}.pyc"
    found = tree(_HOME / part, f"{_APP}/{part}")
    return {path: source for path, source in found.items() if "__pycache__" not in path or path.endswith(own)}


def _payment() -> dict[str, Path]:
    names = "lab/__init__.py", "lab/payment.py", "lab/traffic.py", "lab/resp.py"
    return {f"{_APP}/{name}": _HOME / name for name in names}
