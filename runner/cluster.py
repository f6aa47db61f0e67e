"""One Kubernetes cluster, asked and told as data: the only file that knows how requests go there.

Objects are dicts as the API has them: turning 10,000 pods into the client's own classes would take longer than faults
last. Loaded only where a cluster is meant: the client's import takes half a second.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from kubernetes import client
from kubernetes.stream.ws_client import WSClient
from pydantic import ValidationError
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from websocket import WebSocketException

from runner.config import Kubernetes, load
from runner.credentials import load_context
from runner.errors import CommandFailed, Missing, Refused, Unreachable, UsageError, in_one_line
from runner.listing import Listing, listed
from runner.model import OWN_PRIORITY

__all__ = ["Cluster", "Event", "cluster", "forget", "kube_system_uid"]

_PATIENCE = 10.0
_PAGE = 500
_AT_ONCE = 32
_MERGE = "application/merge-patch+json"
_OURS = socket.SOL_SOCKET, socket.SO_PRIORITY, OWN_PRIORITY


class Event(NamedTuple):
    """What a watch tells of one object: ADDED, MODIFIED or DELETED."""

    kind: str
    item: dict[str, Any]


class Cluster:
    """The cluster behind an environment's context."""

    def __init__(self, environment: str, pinned: Kubernetes) -> None:
        self.environment = environment
        self.pinned = pinned
        self._settings = client.Configuration()
        self._settings.retries = False
        self._settings.connection_pool_maxsize = _AT_ONCE
        self._files = load_context(environment, pinned, self._settings)
        self._pool: PoolManager = client.ApiClient(self._settings).rest_client.pool_manager
        self._pool.connection_pool_kw["socket_options"] = [*HTTPConnection.default_socket_options, _OURS]

    def get(self, path: str, **query: str) -> dict[str, Any]:
        """Return an object; raises CommandFailed with status 404 where there is none."""
        return self.request("GET", _with(path, query))

    def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, or None where there is none."""
        try:
            return self.get(path)
        except CommandFailed as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, item: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object in a collection."""
        return self.request("POST", path, item)

    def patch(self, path: str, change: Mapping[str, Any], content: str = _MERGE) -> dict[str, Any]:
        """Merge a change into an object."""
        return self.request("PATCH", path, change, content)

    def delete(self, path: str, **options: Any) -> bool:
        """Delete an object; returns whether it was there."""
        try:
            self.request("DELETE", path, options or None)
        except CommandFailed as error:
            if error.status == 404:
                return False
            raise
        return True

    def items(
        self, path: str, trim: Callable[[Any], Any] | None = None, shape: Any = dict[str, Any], **query: str
    ) -> Listing:
        """Return all objects of a collection, as listed() reads them; raises CommandFailed where it is none."""

        def ask(more: str) -> str:
            return self.text(_with(path, {**query, "limit": str(_PAGE), **({"continue": more} if more else {})}))

        try:
            return listed(ask, trim, shape)
        except ValidationError as error:
            raise CommandFailed(self._name, ("GET", path), "an answer that is no list", str(error)) from error

    def watch(self, path: str, version: str, stop: threading.Event, every: int = 60, **query: str) -> Iterator[Event]:
        """Yield what happens to a collection from that version on, until `stop` is set.

        Where nothing happens, `stop` is looked at `every` so many seconds.

        Raises CommandFailed with status 410 where the version is too old, Unreachable where the connection breaks: list
        again, and watch from there. What refuses a watch is raised as by `request`.
        """
        while not stop.is_set():
            asked = _with(path, {**query, "watch": "1", "resourceVersion": version, "timeoutSeconds": str(every)})
            response = self._send("GET", asked, None, "", Timeout(connect=_PATIENCE, read=every + 10.0))
            if response.status >= 300:
                self._read("GET", asked, response)
            for line in _lines(response, stop):
                told = json.loads(line)
                if told["type"] == "ERROR":
                    raise CommandFailed(self._name, ("watch", path), told["object"]["code"], told["object"]["message"])
                version = told["object"]["metadata"]["resourceVersion"]
                yield Event(told["type"], told["object"])

    def request(
        self, method: str, path: str, body: Any = None, content: str = "application/json", patience: float = _PATIENCE
    ) -> dict[str, Any]:
        """Return what the API answers; raises CommandFailed with its status, Missing where this user may not."""
        return _parsed(self._text(method, path, body, content, patience))

    def text(self, path: str) -> str:
        """Return what the API server answers where that is no object, such as /metrics; raises as `request` does."""
        return self._text("GET", path, None, "", _PATIENCE)

    def _text(self, method: str, path: str, body: Any, content: str, patience: float) -> str:
        return self._read(method, path, self._send(method, path, body, content, Timeout(total=patience)))

    def _read(self, method: str, path: str, response: BaseHTTPResponse) -> str:
        """Return what was answered; raises what says why it was refused."""
        try:
            text = response.read().decode(errors="replace")
        except HTTPError as error:
            raise self._away(error) from error
        if response.status < 300:
            return text
        told = str(_parsed(text).get("message") or text)
        if response.status in (401, 403):
            raise Missing(
                f"`{method} {path.partition('?')[0]}` in {self._name} is not allowed ({response.status}): "
                f"{in_one_line(told)[:300]}.",
                "deploy/rbac has the rights that each kind of fault needs; `chaosctl doctor` says which are there.",
            )
        raise CommandFailed(self._name, (method, path.partition("?")[0]), response.status, told)

    def attach(self, namespace: str, pod: str, container: str) -> WSClient:
        """Return the standard streams of a running container."""
        query = urlencode({"container": container, "stdin": "true", "stdout": "true", "stderr": "false"})
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/attach?{query}"
        url = self._settings.host.replace("http", "ws", 1) + path
        try:
            made = WSClient(self._settings, url, self._headers(), capture_all=False, binary=True)
            made.sock.sock.setsockopt(*_OURS)
        except (WebSocketException, OSError) as error:
            raise Unreachable(
                f"Pod {namespace}/{pod} in {self._name} could not be attached to: {in_one_line(str(error))[:300]}.",
                "That needs `create` on pods/attach, and a way from the API server to the kubelet.",
            ) from error
        return made

    @property
    def _name(self) -> str:
        return f"cluster {self.environment!r}"

    def _headers(self) -> dict[str, str]:
        """Return the credentials; a token that has expired is renewed on the way."""
        auth: Mapping[str, Any] = self._settings.auth_settings()
        return {part["key"]: part["value"] for part in auth.values() if part["in"] == "header" and part["value"]}

    def _send(self, method: str, path: str, body: Any, content: str, timeout: Timeout) -> BaseHTTPResponse:
        headers = {"Accept": "application/json", **self._headers()}
        data = None
        if body is not None:
            headers["Content-Type"], data = content, json.dumps(body).encode()
        try:
            return self._pool.request(
                method, self._settings.host + path, body=data, headers=headers, timeout=timeout, preload_content=False
            )
        except (HTTPError, ssl.SSLError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> Unreachable:
        return Unreachable(
            f"The API server of {self._name} ({self._settings.host}) does not answer: {in_one_line(str(error))[:200]}.",
            "What is live there ends by itself, at its deadline or, where it is a change of objects, within seconds of "
            "the server's return; look again when it answers: chaosctl faults.",
        )


_CLUSTERS: dict[str, Cluster] = {}
_CONNECTING = threading.Lock()


def cluster(environment: str, pinned: Kubernetes | None = None) -> Cluster:
    """Return an environment's cluster, after it has shown that it is the one that is pinned.

    Raises UsageError where the environment has none, Refused where another is behind its context.
    """
    with _CONNECTING:
        if environment not in _CLUSTERS:
            found = Cluster(environment, pinned or _pinned(environment))
            uid = kube_system_uid(found)
            if uid != found.pinned.uid:
                raise Refused(
                    f"Context {found.pinned.context!r} is not the cluster of environment {environment!r}: its "
                    f"kube-system has UID {uid}, the environment pins {found.pinned.uid}.",
                    "Nothing was touched. Mend the kubeconfig, or choose the environment that is meant with --env.",
                )
            _CLUSTERS[environment] = found
        return _CLUSTERS[environment]


def kube_system_uid(asked: Cluster) -> str:
    """Return what tells a cluster from all others."""
    return str(asked.get("/api/v1/namespaces/kube-system")["metadata"]["uid"])


def forget() -> None:
    """Let the next use connect again."""
    _CLUSTERS.clear()


def _pinned(environment: str) -> Kubernetes:
    known = load().environments.get(environment)
    if known is None or known.kubernetes is None:
        raise UsageError(
            f"Environment {environment!r} has no Kubernetes cluster.",
            "Choose one that has with --env, or add `kubernetes: {context: ..., uid: ...}` to it in chaosctl.yaml.",
        )
    return known.kubernetes


def _with(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def _parsed(text: str) -> dict[str, Any]:
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _lines(response: BaseHTTPResponse, stop: threading.Event) -> Iterator[bytes]:
    """Yield the lines of a stream as they come; a stream that broke is over."""
    rest = b""
    try:
        for part in response.stream(65536, decode_content=True):
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if stop.is_set():
                    return
                if line:
                    yield line
    except HTTPError as error:
        raise Unreachable(f"A watch broke off: {in_one_line(str(error))[:200]}.") from error
    finally:
        response.close()
