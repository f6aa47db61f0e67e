"""A stand-in for a Kubernetes API server that knows one namespace and nothing in it: plain HTTP, no authentication."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml


@dataclass
class Cluster:
    """What the server says, and what it was asked."""

    kubeconfig: Path
    uid: str
    status: int = 200
    asked: list[str] = field(default_factory=list)
    workloads: dict[str, list[dict[str, object]]] = field(default_factory=dict)


_NOTHING: dict[str, object] = {
    "kind": "ConfigMapList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "1"},
    "items": [],
}


def _namespace(uid: str) -> dict[str, object]:
    return {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "kube-system", "uid": uid}}


def _answer(made: Cluster, path: str) -> dict[str, object]:
    """Return what is at a path; `workloads` are those of any namespace, by their kind."""
    if "/apis/apps/v1/" in path:
        return _NOTHING | {"items": made.workloads.get(path.partition("?")[0].rpartition("/")[2], [])}
    return _NOTHING if "/configmaps" in path else _namespace(made.uid)


@contextmanager
def cluster(directory: Path, uid: str) -> Iterator[Cluster]:
    """Serve a kube-system with that UID on a loopback port; its context is called `payment`. Status 0: no answer."""
    made = Cluster(directory / "kubeconfig", uid)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            if not made.status:
                return
            payload = json.dumps(_answer(made, self.path)).encode()
            self.send_response(made.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.kubeconfig.write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "payment", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "payment",
            }
        )
    )
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
