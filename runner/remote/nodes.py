"""The agents on the nodes of clusters: one node pod a node, made when first needed, shared, and gone afterwards."""

import atexit
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from kubernetes.stream.ws_client import STDOUT_CHANNEL, WSClient
from websocket import WebSocketException

from runner.cluster import Cluster
from runner.errors import ChaosctlError, Missing, Unreachable
from runner.holding import at_release
from runner.ledger import new_id
from runner.origin import owner
from runner.remote import pods
from runner.remote.connection import Connection

__all__ = ["Attached", "agent", "release", "started"]

_START = 60.0
_AT_ONCE = 16
_HOPELESS = "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerError"


class Attached:
    """The standard streams of a container as a transport."""

    def __init__(self, client: WSClient) -> None:
        self._client = client

    def fileno(self) -> int:
        """Return the socket's."""
        return int(self._client.sock.sock.fileno()) if self._client.sock.sock else -1

    def pending(self) -> bool:
        """Whether TLS has bytes that polling does not see."""
        inner = self._client.sock.sock
        return isinstance(inner, ssl.SSLSocket) and inner.pending() > 0

    def read(self) -> bytes | None:
        """Return what has come; None at the end."""
        try:
            self._client.update(timeout=0)
        except (WebSocketException, OSError):
            return None
        if said := self._client.read_channel(STDOUT_CHANNEL):
            return bytes(said)
        return b"" if self._client.is_open() else None

    def write(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._client.write_stdin(data)
        except WebSocketException as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """End the stream, and with it the agent; a polite end would wait for the other side to say so too."""
        self._client.sock.shutdown()


class _Session:
    """What this process has in one cluster; its own object owns its node pods."""

    def __init__(self, at: Cluster) -> None:
        self.at = at
        self.token = new_id()
        self.pods = f"/api/v1/namespaces/{at.pinned.namespace}/pods"
        self._maps = f"/api/v1/namespaces/{at.pinned.namespace}/configmaps"
        self.owner = at.create(self._maps, pods.session(self.token, at.pinned.namespace, owner()))["metadata"]
        self.agents: dict[str, Connection] = {}
        self.made: list[str] = []
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def agent(self, node: str) -> Connection:
        """Return the agent of a node; one that is lost is replaced."""
        with self._lock:
            lock = self._locks.setdefault(node, threading.Lock())
        with lock:
            known = self.agents.get(node)
            if known is None or not known.open:
                known = self.agents[node] = self._started(node, len(self.made))
            return known

    def close(self) -> None:
        """End the agents and remove their pods, then what owns them; what cannot be removed now ends by itself."""
        for connection in self.agents.values():
            connection.close()
        paths = [f"{self.pods}/{name}" for name in self.made]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(self._remove, [*paths, f"{self._maps}/{self.owner['name']}"]))

    def _remove(self, path: str) -> None:
        with suppress(ChaosctlError):
            self.at.delete(path, gracePeriodSeconds=0)

    def _started(self, node: str, number: int) -> Connection:
        manifest = pods.node_pod(self.token, self.at.pinned.namespace, node, self.at.pinned.image, self.owner, number)
        name = manifest["metadata"]["name"]
        with _explained(f"node {node}"):
            made = self.at.create(self.pods, manifest)
        self.made.append(name)
        started(self.at, made, "agent")
        client = self.at.attach(self.at.pinned.namespace, name, "agent")
        return Connection(f"the node pod {self.at.pinned.namespace}/{name}", Attached(client))


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Say what a node pod needs where it may not be had."""
    try:
        yield
    except Missing as error:
        raise Missing(
            f"There may be no node pod for {where}: {error.message}",
            "It needs `create` on pods in a namespace of ours that Pod Security lets have privileged ones: "
            "deploy/rbac/node-faults.yaml grants that. `chaosctl doctor` says what this user may do.",
        ) from error


def started(at: Cluster, pod: dict[str, Any], container: str) -> None:
    """Wait until a container runs, as the API server tells it; raises Missing where it never will, with the reason."""
    meta, stop = pod["metadata"], threading.Event()
    path = f"/api/v1/namespaces/{meta['namespace']}/pods"
    only = f"metadata.name={meta['name']}"
    limit = threading.Timer(_START, stop.set)
    limit.start()
    try:
        for event in at.watch(path, meta["resourceVersion"], stop, every=5, fieldSelector=only):
            if _running(event.item, container):
                return
    finally:
        limit.cancel()
    raise Unreachable(
        f"{meta['namespace']}/{meta['name']} did not start within {_START:g} s.",
        f"See `kubectl -n {meta['namespace']} describe pod {meta['name']}`: its node may be lost or have no room.",
    )


def _running(pod: dict[str, Any], container: str) -> bool:
    status, name = pod["status"], f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if status.get("phase") == "Failed":
        raise Missing(
            f"{name} was turned away by its node: {status.get('reason')}: {status.get('message')}.",
            "The node must have room for one more pod.",
        )
    known = [*status.get("containerStatuses", ()), *status.get("ephemeralContainerStatuses", ())]
    state: dict[str, Any] = next((found["state"] for found in known if found["name"] == container), {})
    if (waiting := state.get("waiting", {})).get("reason") in _HOPELESS:
        raise Missing(
            f"{name} cannot start: {waiting['reason']}: {waiting.get('message', '')[:300]}.",
            "Name an image that the nodes can have: kubernetes.image in chaosctl.yaml.",
        )
    if "terminated" in state:
        raise Missing(
            f"{name} ended at once: {state['terminated'].get('reason')} ({state['terminated'].get('exitCode')}).",
            "Is kubernetes.image the image of this version of chaosctl? An administrator can see its log meanwhile.",
        )
    return "running" in state


_SESSIONS: dict[str, _Session] = {}
_OPENING = threading.Lock()


def agent(at: Cluster, node: str) -> Connection:
    """Return the agent on a node of a cluster, shared by all of this process until `release`."""
    with _OPENING:
        if at.environment not in _SESSIONS:
            _SESSIONS[at.environment] = _Session(at)
        found = _SESSIONS[at.environment]
    return found.agent(node)


def release() -> None:
    """End all agents of this process and remove their pods."""
    with _OPENING:
        sessions = list(_SESSIONS.values())
        _SESSIONS.clear()
    for session in sessions:
        session.close()


at_release(release)
atexit.register(release)
