"""A named network namespace of this machine, as `ip netns` makes them."""

import ctypes
import errno
import fcntl
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from runner.errors import Gone, Missing, UsageError
from runner.model import Command
from runner.targets import Resolver
from runner.targets.local import Local, execute, parse_resolv_conf

__all__ = ["Netns", "cookie", "reach"]

_T = TypeVar("_T")
_CLONE_NEWNET = 0x40000000
_SO_NETNS_COOKIE = 71
_SIOCGSKNS = 0x894C
_LIBC = ctypes.CDLL(None, use_errno=True)


def reach(rest: str) -> "Netns":
    """Return the namespace of that name; raises UsageError for a name that `ip netns` would not take."""
    if not rest or "/" in rest or rest in (".", ".."):
        raise UsageError(f"'netns:{rest}' is not a target.", "Write netns:NAME; `ip netns list` shows the names.")
    return Netns(rest)


class Netns:
    """A network namespace under /run/netns."""

    def __init__(self, namespace: str) -> None:
        self.name = f"netns:{namespace}"
        self.namespace = namespace
        self.path = Path("/run/netns") / namespace

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command with the network of the namespace and the files of this machine."""
        return self._inside(lambda: execute(self.name, command, timeout, pass_fds))

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """Return a socket of the namespace; it stays there whichever thread uses it."""
        return self._inside(lambda: socket.socket(family, kind, protocol))

    def resolver(self) -> Resolver:
        """Return /etc/netns/NAME/resolv.conf where there is one, else the machine's."""
        own = Path("/etc/netns") / self.namespace / "resolv.conf"
        return parse_resolv_conf(own if own.exists() else Path("/etc/resolv.conf"))

    def identity(self) -> str:
        """Return boot id and cookie: a namespace made again under the same name has another."""
        with self.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inside:
            return f"{Local().identity()} netns:{cookie(inside)}"

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Gone(
                f"There is no network namespace {self.namespace!r} here.",
                "`ip netns list` shows those there are.",
            ) from error
        except PermissionError as error:
            raise Missing(f"{self.path} may not be opened by this user.", "Run it as root (sudo).") from error

    def _inside(self, work: Callable[[], _T]) -> _T:
        """Run `work` by a thread that has entered the namespace; what it forks or opens stays there.

        The main thread never enters: a signal's handler could run there meanwhile.
        """
        handle = self._open()
        try:
            if threading.current_thread() is threading.main_thread():
                with ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"in {self.name}") as pool:
                    return pool.submit(self._entered, handle, work).result()
            return self._entered(handle, work)
        finally:
            os.close(handle)

    def _entered(self, handle: int, work: Callable[[], _T]) -> _T:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self.name, handle)
            try:
                return work()
            finally:
                _setns("the network namespace of this process", home)
        finally:
            os.close(home)


def cookie(inside: socket.socket) -> str:
    """Return what tells the network namespace of a socket from all others since the machine started.

    Its inode would not do: the kernel gives the number away again at once. Before Linux 5.14 there is no cookie, and
    the inode has to.
    """
    try:
        return str(int.from_bytes(inside.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8), sys.byteorder))
    except OSError:
        handle = fcntl.ioctl(inside, _SIOCGSKNS)
        try:
            return f"inode:{os.fstat(handle).st_ino}"
        finally:
            os.close(handle)


def _setns(name: str, handle: int) -> None:
    if _LIBC.setns(handle, _CLONE_NEWNET) == 0:
        return
    if (number := ctypes.get_errno()) == errno.EPERM:
        raise Missing(
            f"The network namespace of {name} could not be entered: {os.strerror(number)}.",
            "Entering needs CAP_SYS_ADMIN: run it as root (sudo).",
        )
    raise Gone(
        f"{name} is no network namespace: its file is there, but nothing is behind it ({os.strerror(number)}).",
        "Something ended it without `ip netns del`; that removes the file too.",
    )
