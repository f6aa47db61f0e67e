"""Who we are to a cluster: TLS and the check of our certificate are real, what the server answers is a stand-in."""

import json
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.kubernetes.pki import Authority
from runner.cluster import Cluster
from runner.config import Kubernetes
from runner.errors import UsageError


class _WhoAsks(BaseHTTPRequestHandler):
    connection: ssl.SSLSocket

    def do_GET(self) -> None:
        subject: Any = self.connection.getpeercert()
        payload = json.dumps({"user": dict(part[0] for part in subject["subject"])["commonName"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """One that has all keys and certificates within itself, for a server that lets in who has such a certificate."""
    lock = os.open(tmp_path / "lock", os.O_CREAT)
    signing = Authority(tmp_path / "pki", lock)
    signing.create()
    signing.sign("server", "server", "", "127.0.0.1")
    signing.sign("ada", "ada", "engineers")
    os.close(lock)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "pki" / "ca.crt")
    context.load_cert_chain(tmp_path / "pki" / "server.crt", tmp_path / "pki" / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), _WhoAsks) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = tmp_path / "kubeconfig"
        file.write_text(signing.kubeconfig("ada", f"https://127.0.0.1:{server.server_port}", "payment"))
        yield file
        server.shutdown()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process makes files for a while."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_keys_of_a_kubeconfig_are_used_and_are_in_no_file(kubeconfig: Path, temporary: Path) -> None:
    for _ in range(2):
        at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=kubeconfig))
        assert list(temporary.rglob("*")) == []
        assert at.get("/api") == {"user": "ada"}
        at._pool.clear()
        assert at.get("/api") == {"user": "ada"}, "a new connection reads them again"
    assert list(temporary.rglob("*")) == []


def test_keys_are_forgotten_with_the_cluster(kubeconfig: Path) -> None:
    before = _held()
    at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=kubeconfig))
    assert _held() == before + 3
    del at
    assert _held() == before


def _held() -> int:
    """Return how many files in memory of ours this process has open."""
    return sum(
        "memfd:chaosctl" in str(file.readlink()) for file in Path("/proc/self/fd").iterdir() if file.is_symlink()
    )


def test_keys_in_files_of_their_own_stay_there(kubeconfig: Path, tmp_path: Path) -> None:
    document = json.loads(kubeconfig.read_text())
    document["users"][0]["user"] = {"client-certificate": "pki/ada.crt", "client-key": "pki/ada.key"}
    kubeconfig.write_text(json.dumps(document))
    at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=kubeconfig))
    assert at._settings.key_file == str(tmp_path / "pki" / "ada.key")
    assert at.get("/api") == {"user": "ada"}


def test_context_that_is_not_there_is_named(kubeconfig: Path) -> None:
    with pytest.raises(UsageError, match=r"Context 'shop' of environment 'lab' cannot be had from the kubeconfig: .+"):
        Cluster("lab", Kubernetes(context="shop", uid="uid", kubeconfig=kubeconfig))
