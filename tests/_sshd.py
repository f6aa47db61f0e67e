"""A real OpenSSH server of the tests' own on loopback: own keys, own port, own files."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sshd:
    """A running server; `config` is the ssh configuration that leads to it and trusts it."""

    port: int
    place: Path
    config: Path

    @property
    def target(self) -> str:
        """The target as it is written."""
        return f"ssh:root@127.0.0.1:{self.port}"


@contextmanager
def sshd(place: Path, *settings: str) -> Iterator[Sshd]:
    """Start one that lets in root by a key made for it, and end it with the sessions that it still has."""
    place.mkdir()
    for name in ("host", "user", "other"):
        _key(place / name)
    shutil.copy(place / "user.pub", place / "authorized")
    port = _free_port()
    (place / "sshd_config").write_text(
        "\n".join(
            [
                "ListenAddress 127.0.0.1",
                f"Port {port}",
                f"HostKey {place}/host",
                f"AuthorizedKeysFile {place}/authorized",
                f"PidFile {place}/pid",
                "PermitRootLogin prohibit-password",
                "PasswordAuthentication no",
                "StrictModes no",
                "UsePAM no",
                "MaxStartups 200",
                "MaxSessions 200",
                *settings,
                "",
            ]
        )
    )
    made = Sshd(port, place, place / "config")
    known = (place / "host.pub").read_text().split()[:2]
    (place / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(known)}\n")
    configure(made, "host", "user")
    os.makedirs("/run/sshd", exist_ok=True)  # noqa: PTH103 - where Debian's sshd insists on it
    server = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", place / "sshd_config"], stderr=(place / "log").open("w")
    )
    try:
        _wait(made, server)
        yield made
    finally:
        subprocess.run(["pkill", "-P", str(server.pid)], check=False)
        server.terminate()
        server.wait(10)


def configure(made: Sshd, trusted: str, key: str) -> None:
    """Write the client's configuration: which host key it trusts, and which key it offers."""
    trusting = (made.place / f"{trusted}.pub").read_text().split()[:2]
    (made.place / "known_hosts").write_text(f"[127.0.0.1]:{made.port} {' '.join(trusting)}\n")
    made.config.write_text(
        f"IdentityFile {made.place}/{key}\nIdentitiesOnly yes\nUserKnownHostsFile {made.place}/known_hosts\n"
        "GlobalKnownHostsFile none\n"
    )


def _key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _wait(made: Sshd, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", made.port), 1).close()
        except OSError:
            assert server.poll() is None, (made.place / "log").read_text()
            assert time.monotonic() < until, "sshd does not listen"
            time.sleep(0.02)
        else:
            return
