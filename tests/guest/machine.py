"""A guest: this machine's own files under Debian's stock kernel, in an emulator, without a network and for a while.

The guest sees all files of the machine and can change none: what it writes is gone with it. Only the directory that it
shares with its maker, /run/share there, is the same on both sides.
"""

import os
import shlex
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.model import clock
from tests.guest.kernel import Kernel, NoKernel, cached

__all__ = ["Guest", "lacking"]

_HERE = Path(__file__).parent
_MODULES = "virtio_pci", "9pnet_virtio", "9p", "overlay"
_TOOLS = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod"}
_ACCELERATORS = {"kvm": ("kvm", "host", 20.0), "tcg": ("tcg,thread=multi", "max", 240.0)}
"""By name: what QEMU calls it, the processor it shows, and how long a guest may take to be ready, in seconds."""

_PAUSE = 0.05


def lacking() -> str:
    """Return why no guest can be had here, or nothing."""
    missing = [package for tool, package in _TOOLS.items() if not shutil.which(tool)]
    if missing:
        return f"the guest needs the Debian packages {', '.join(missing)}: `make guest` installs them"
    try:
        cached()
    except NoKernel as error:
        return str(error)
    return ""


class Guest:
    """One guest that runs one command; `share` is the directory that both see. It is ended on leaving, or by itself."""

    def __init__(self, share: Path, argv: Sequence[str], environment: Mapping[str, str], seconds: float) -> None:
        self.share = share
        self.console = share / "console"
        self._kernel = cached()
        self._seconds = seconds
        share.mkdir(parents=True)
        settings = [f"export {shlex.join([f'{name}={value}'])}" for name, value in environment.items()]
        root = shlex.quote(str(_HERE.parents[1]))
        (share / "command").write_text("\n".join([*settings, f"cd {root}", f"exec {shlex.join(argv)}", ""]))
        start = (_HERE / "start").read_text().replace("@SECONDS@", f"{seconds:g}")
        (share / "start").write_text(start)
        _pack(self._kernel, share)

    def __enter__(self) -> Self:
        self._machine = self._booted()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.runs:
            self._machine.terminate()
        self._machine.wait()

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._machine.poll() is None

    @property
    def status(self) -> int | None:
        """The exit status of its command, once it has ended."""
        try:
            return int((self.share / "status").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def said(self) -> str:
        """Return the last that it printed."""
        return "\n".join(self.console.read_text(errors="replace").splitlines()[-30:])

    def _booted(self) -> "subprocess.Popen[bytes]":
        """Boot by the first accelerator that gets there: /dev/kvm may be there, and still not work."""
        for name, (accelerator, processor, seconds) in _ACCELERATORS.items():
            if name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
                continue
            machine = self._launched(accelerator, processor)
            limit = clock() + seconds
            while machine.poll() is None and clock() < limit:
                if (self.share / "ready").exists():
                    return machine
                threading.Event().wait(_PAUSE)
            machine.terminate()
            machine.wait()
        raise NoKernel(f"The guest did not start:\n{self.said()}")

    def _launched(self, accelerator: str, processor: str) -> "subprocess.Popen[bytes]":
        machine = ["qemu-system-x86_64", "-machine", "q35", "-accel", accelerator, "-cpu", processor]
        machine += ["-smp", str(min(4, os.cpu_count() or 1)), "-m", "1G", "-nodefaults", "-nic", "none"]
        machine += ["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(self._kernel.image)]
        machine += ["-initrd", str(self.share / "initrd"), "-append", "console=ttyS0 quiet panic=-1 mitigations=off"]
        machine += _shared("machine", Path("/"), ",readonly=on") + _shared("share", self.share, "")
        limited = ["timeout", "--kill-after=5", f"{self._seconds + 120:g}", *machine]
        with self.console.open("wb") as console:
            return subprocess.Popen(limited, stdin=subprocess.DEVNULL, stdout=console, stderr=console)


def _shared(name: str, path: Path, options: str) -> list[str]:
    served = f"local,id={name},path={path},security_model=none,multidevs=remap{options}"
    return ["-fsdev", served, "-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"]


def _pack(kernel: Kernel, share: Path) -> None:
    """Write the initramfs: busybox, the script and the few modules with which the machine's files can be reached."""
    tree = share / "initramfs"
    modules = tree / "lib" / "modules" / kernel.release
    for path in _needed(kernel):
        (modules / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kernel.modules / path, modules / path)
    shutil.copy(kernel.modules / "modules.dep", modules)
    (tree / "bin").mkdir()
    shutil.copy(shutil.which("busybox") or "busybox", tree / "bin" / "busybox")
    (tree / "init").write_text((_HERE / "init").read_text().replace("@MODULES@", str(kernel.modules.parent)))
    (tree / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with (share / "initrd").open("wb") as packed:
        argv = ["busybox", "cpio", "-o", "-H", "newc"]
        subprocess.run(argv, cwd=tree, input=names.encode(), stdout=packed, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(tree)


def _needed(kernel: Kernel) -> set[str]:
    """Return the files of the modules, with those that they depend on."""
    found: set[str] = set()
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        module, _, others = line.partition(":")
        if Path(module).name.partition(".ko")[0] in _MODULES:
            found |= {module, *others.split()}
    return found
