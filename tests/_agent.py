"""An agent as on a node, on this machine: a process of its own, spoken to through pipes; pods are made by hand."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.remote.connection import Connection


class Piped:
    """The standard streams of a process as a transport."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin
        assert process.stdout
        self.process = process
        self._writing, self._reading = process.stdin.fileno(), process.stdout.fileno()

    def fileno(self) -> int:
        """Return what to poll."""
        return self._reading

    def pending(self) -> bool:
        """Nothing is hidden in a pipe."""
        return False

    def read(self) -> bytes | None:
        """Return what has come; None at the end."""
        return os.read(self._reading, 65536) or None

    def write(self, data: bytes) -> None:
        """Send all of it."""
        while data:
            data = data[os.write(self._writing, data) :]

    def close(self) -> None:
        """End the agent."""
        assert self.process.stdin
        self.process.stdin.close()


@contextmanager
def agent(enter: str = "") -> Iterator[tuple[Connection, "subprocess.Popen[bytes]"]]:
    """Start an agent, in a network namespace of that name."""
    argv = [sys.executable, "-m", "runner.remote.agent"]
    if enter:
        argv = ["nsenter", f"--net=/run/netns/{enter}", *argv]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        connection = Connection("the agent", Piped(process))
        try:
            yield connection, process
        finally:
            connection.close()


@contextmanager
def pod(namespace: str, directory: Path, resolv_conf: str = "nameserver 10.9.9.9\n") -> Iterator[str]:
    """Run a process as a kubelet would: in that network namespace, with files of its own; yields the pod's UID."""
    uid = str(uuid.uuid4())
    folder = directory / "kubelet" / "pods" / uid
    folder.mkdir(parents=True)
    (folder / "etc-hosts").write_text("127.0.0.1 localhost\n")
    (folder / "resolv.conf").write_text(resolv_conf)
    script = (
        f"mount --bind {folder}/etc-hosts /etc/hosts && mount --bind {folder}/resolv.conf /etc/resolv.conf && "
        "echo ready && exec sleep 600"
    )
    argv = ["nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        try:
            yield uid
        finally:
            process.kill()
