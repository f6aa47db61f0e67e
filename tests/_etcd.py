"""A real etcd of a test's own, and a load on it that is not ours."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.targets.netns import Netns
from tests._network import OURS

ROOT = Path(__file__).parent.parent
SERVER, CLIENT = "10.98.7.1", "10.98.7.2"


@dataclass(frozen=True)
class Etcd:
    """One etcd; `client` is the namespace its clients are in, `files` are CA, certificate and key where it has TLS."""

    client: Netns
    server: Netns
    url: str
    files: tuple[Path, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The parameters by which etcd-latency finds it."""
        names = ("ca_file", "cert_file", "key_file")
        files = {name: str(file) for name, file in zip(names, self.files, strict=False)}
        return {"where": self.client.name, "endpoint": self.url, **files}

    def ctl(self, *arguments: str) -> str:
        """Run etcdctl at a client."""
        flags = [f"--{name}={file}" for name, file in zip(("cacert", "cert", "key"), self.files, strict=False)]
        argv = ["ip", "netns", "exec", self.client.namespace, "etcdctl", f"--endpoints={self.url}", *flags]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        return subprocess.run([*argv, *arguments], capture_output=True, text=True, check=True, env=environment).stdout

    @contextmanager
    def load(self, rate: float) -> Iterator["Load"]:
        """Have a load within a `with` block, told of after it."""
        argv = [sys.executable, "-m", "tests._etcd_load", self.url, str(rate), *map(str, self.files)]
        inside = ["ip", "netns", "exec", self.client.namespace, *argv]
        with subprocess.Popen(inside, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            made = Load()
            assert process.stdout
            assert process.stdout.readline() == "connected\n"
            try:
                yield made
            finally:
                made.told = json.loads(process.communicate()[0])


class Load:
    """What a load saw."""

    told: dict[str, Any]

    def took(self, since: float, until: float, reads: bool = False) -> list[float]:
        """Return the seconds that requests took which began between two moments."""
        return [took for begun, took, read in self.told["answered"] if since <= begun < until and read is reads]


@contextmanager
def etcd(wire: bool = True, tls: bool = False) -> Iterator[Etcd]:
    """Start etcd in a namespace; its clients are in another one behind a wire, or in the same one."""
    mark = f"{OURS}-{secrets.token_hex(3)}"
    server = Netns(f"ct-{mark}-etcd")
    client = Netns(f"ct-{mark}-uses") if wire else server
    host = SERVER if wire else "127.0.0.1"
    shared = Path("/dev/shm")  # noqa: S108 - where the disk is slow, etcd is
    place = Path(tempfile.mkdtemp(prefix="etcd-", dir=shared if shared.is_dir() else None))
    spaces = list(dict.fromkeys([server.namespace, client.namespace]))
    process = None
    try:
        for space in spaces:
            _run("ip", "netns", "add", space)
            _run("ip", "-n", space, "link", "set", "lo", "up")
        if wire:
            _run("ip", "-n", spaces[0], "link", "add", "wire", "type", "veth", "peer", "wire", "netns", spaces[1])
            for space, address in zip(spaces, (SERVER, CLIENT), strict=True):
                _run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "wire")
                _run("ip", "-n", space, "link", "set", "wire", "up")
        files = _certificates(place, host) if tls else ()
        made = Etcd(client, server, f"{'https' if tls else 'http'}://{host}:2379", files)
        process = _start(made, place)
        yield made
    finally:
        if process:
            process.terminate()
            process.wait()
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        shutil.rmtree(place)


def _start(made: Etcd, place: Path) -> "subprocess.Popen[bytes]":
    argv = ["etcd", f"--data-dir={place}/data", f"--listen-client-urls={made.url}"]
    argv += [f"--advertise-client-urls={made.url}", "--listen-peer-urls=http://127.0.0.1:2380", "--logger=zap"]
    if made.files:
        authority, certificate, key = made.files
        argv += [f"--trusted-ca-file={authority}", f"--cert-file={certificate}", f"--key-file={key}"]
        argv.append("--client-cert-auth")
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            ["ip", "netns", "exec", made.server.namespace, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    limit = time.monotonic() + 60
    while True:
        try:
            made.ctl("put", "/ready", "yes")
        except subprocess.CalledProcessError:
            if process.poll() is not None or time.monotonic() > limit:
                raise
            time.sleep(0.1)
        else:
            return process


def _certificates(place: Path, host: str) -> tuple[Path, ...]:
    """Make an authority and one certificate, for server and client alike."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    authority, certificate, key = (place / name for name in ("ca.pem", "cert.pem", "key.pem"))
    _run("openssl", "req", "-x509", *curve, "-subj", "/CN=ca", "-keyout", f"{place}/ca.key", "-out", str(authority))
    extensions = ["-addext", f"subjectAltName=IP:{host}", "-addext", "extendedKeyUsage=serverAuth,clientAuth"]
    signed = ["-CA", str(authority), "-CAkey", f"{place}/ca.key"]
    subject = ["-subj", "/CN=etcd", "-addext", "basicConstraints=critical,CA:FALSE"]
    _run(
        "openssl", "req", "-x509", *curve, *signed, *subject, *extensions, "-keyout", str(key), "-out", str(certificate)
    )
    return authority, certificate, key


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
