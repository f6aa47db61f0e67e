"""What targets in a cluster have in common: commands, looks and identity by an agent, and the cluster's own API."""

import json
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runner import changes
from runner.cluster import Cluster
from runner.config import current
from runner.errors import CommandFailed, Missing, UsageError
from runner.model import Command, Look, ProbeCall, clock, iso
from runner.remote import guardians, messages
from runner.remote.connection import Connection
from runner.remote.watching import RemoteWatcher
from runner.targets import Resolver

__all__ = ["RemoteTarget", "path_of"]

_LONGEST_LOOK = 30.0


class RemoteTarget:
    """A target that an agent works at. A command whose first word is `api` is a request to the cluster's API server.

    `api METHOD PATH` sends its standard input as the object, in which a moment `+SECONDS` counts from the sending;
    `api until PATH` says `live` while the moment in an object's data has not passed. `api guard KIND/ID` arms
    guardians, `api change PATH`, `api revert PATH` and `api standing PATH` are about the change on standard input.
    """

    name: str
    cluster: Cluster

    def agent(self) -> Connection:
        """Return the agent that works here."""
        raise NotImplementedError

    def about(self) -> Mapping[str, str]:
        """Return what tells the agent which network is meant."""
        raise NotImplementedError

    def run(self, command: Command, timeout: float = 10.0, pass_fds: Sequence[int] = ()) -> str:
        """Run a command there; where it changes something (`pass_fds`), alone, and waiting for whoever does."""
        if command.argv[0] == "api":
            return _asked(self.cluster, command)
        return str(
            self.ask("run", timeout, argv=command.argv, stdin=command.stdin, timeout=timeout, alone=bool(pass_fds))
        )

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:  # noqa: ARG002
        """Raise Missing: a network on another machine cannot be entered; probes run there by `look`."""
        raise Missing(f"The network of {self.name} cannot be entered from here.", "Its probes run at the target.")

    def resolver(self) -> Resolver:
        """Return the target's own resolver configuration."""
        data = self.ask("resolver")
        return Resolver(data["source"], tuple(data["nameservers"]), tuple(data["search"]))

    def identity(self) -> str:
        """Return what tells this target from a later one of the same name."""
        return str(self.ask("identity"))

    def look(self, call: ProbeCall, before: Look | None) -> Look:
        """Return what a probe sees from there, its times on our clock."""
        ahead, asked = self.agent().ahead, {"function": call.function, "arguments": dict(call.arguments)}
        seen = self.ask("look", _LONGEST_LOOK, before=messages.look_to(before, ahead), **asked)
        look = messages.look_from(seen, ahead)
        assert look is not None  # noqa: S101 - a probe returns one
        return look

    def watch(self, call: ProbeCall) -> RemoteWatcher:
        """Return a look that stays, from there; it is not opened yet."""
        return RemoteWatcher(call, self.ask, self.agent)

    def ask(self, do: str, patience: float = 10.0, **arguments: Any) -> Any:
        """Return the agent's answer about this target."""
        return self.agent().call(do, patience, name=self.name, **self.about(), **arguments)


def _timed(text: str) -> Any:
    item = json.loads(text)
    until = item.get("data", {}).get("until", "")
    if until.startswith("+"):
        item["data"]["until"] = iso(clock() + float(until))
    return item


def path_of(scheme: str, rest: str, names: int) -> tuple[str, ...]:
    """Return environment and names of `ENVIRONMENT/NAME...`; without the environment, the chosen one is meant.

    Raises UsageError where that cannot be meant.
    """
    parts = rest.split("/")
    if len(parts) == names and all(parts):
        return current().name, *parts
    if len(parts) == names + 1 and all(parts):
        return tuple(parts)
    form = {1: "NODE", 2: "NAMESPACE/POD"}[names]
    raise UsageError(f"'{scheme}:{rest}' is not a target.", f"Write {scheme}:{form} or {scheme}:ENVIRONMENT/{form}.")


def _asked(cluster: Cluster, command: Command) -> str:
    _, verb, path = command.argv
    if verb == "until":
        until = str(cluster.get(path)["data"]["until"])
        return f"{'live until' if clock() < datetime.fromisoformat(until).timestamp() else 'ended at'} {until}"
    if verb in _VERBS:
        return _VERBS[verb](cluster, path, command.stdin)
    try:
        return json.dumps(cluster.request(verb, path, _timed(command.stdin) if command.stdin else None))
    except CommandFailed as error:
        if verb == "DELETE" and error.status == 404:
            return ""
        raise


def _guard(cluster: Cluster, which: str, avoid: str) -> str:
    kind, _, fault_id = which.partition("/")
    guardians.arm(cluster, kind, fault_id, json.loads(avoid))
    return ""


def _change(cluster: Cluster, _path: str, change: str) -> str:
    changes.apply(cluster, changes.parsed(change))
    return ""


def _revert(cluster: Cluster, _path: str, change: str) -> str:
    changes.revert(cluster, changes.parsed(change))
    return ""


def _standing(cluster: Cluster, path: str, change: str) -> str:
    found = changes.standing(cluster, changes.parsed(change))
    if found == "not found":
        raise CommandFailed(f"cluster {cluster.environment!r}", ("api", "standing", path), 404, found)
    return found


_VERBS = {"guard": _guard, "change": _change, "revert": _revert, "standing": _standing}
