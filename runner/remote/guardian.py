"""The guardian of a fault that is a change of objects in a cluster: takes it back when the fault's time is over.

It runs there, as pods of a Job of its own, and needs nothing of ours but the fault's entry in the cluster's ledger,
which says what is to be taken back; when, stands with each change. It reads the entry again and again, because pods
may have joined the fault; where it is gone, or says less than before, what was read before holds. The standard library
only.

    python3 -m runner.remote.guardian check|guard PATH
"""

import contextlib
import json
import os
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

from runner import changes
from runner.entry import parsed
from runner.errors import ChaosctlError, CommandFailed, Unreachable

__all__ = ["FARTHEST", "InCluster", "check", "guard", "main"]

FARTHEST = 2.0
"""How many seconds a clock may be off the API server's."""

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATIENCE = 5.0
_AGAIN = 0.5
_NAP = 5.0
# How many seconds after the time in the entry a change may still come: until then its guardians are being started.
_LATEST = 300.0


class _Noted(NamedTuple):
    """What of an entry guardians go by: seconds since the epoch, and its changes by the path of their object."""

    deadline: float
    changes: Mapping[str, changes.Change]


class InCluster:
    """The API server, asked as the pod's own service account; its token is read anew each time, because it expires."""

    def __init__(self, server: str, account: Path = _ACCOUNT) -> None:
        self.ahead = 0.0
        self._server = server
        self._account = account
        self._trust = ssl.create_default_context(cafile=str(account / "ca.crt"))

    def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, or None where there is none."""
        try:
            return self._request("GET", path)
        except CommandFailed as error:
            if error.status == 404:
                return None
            raise

    def patch(self, path: str, change: Mapping[str, Any], content: str) -> dict[str, Any]:
        """Merge a change into an object."""
        return self._request("PATCH", path, json.dumps(change).encode(), content)

    def _request(self, method: str, path: str, body: bytes | None = None, content: str = "") -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {(self._account / 'token').read_text().strip()}", "Content-Type": content}
        asked = urllib.request.Request(self._server + path, body, headers, method=method)  # noqa: S310 - https
        try:
            with urllib.request.urlopen(asked, timeout=_PATIENCE, context=self._trust) as answer:  # noqa: S310
                self._compare(answer.headers["Date"])
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            raise CommandFailed("the API server", (method, path), error.code, told) from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"The API server does not answer: {error}.") from error

    def _compare(self, date: str) -> None:
        """Note how far our clock is ahead of the server's, which is told in whole seconds."""
        self.ahead = time.time() - (parsedate_to_datetime(date).timestamp() + 0.5)


def check(api: InCluster, path: str) -> None:
    """See that the changes could be taken back from here, by doing so as a dry run; raises what says why not."""
    noted = _noted(api, path)
    if noted is None:
        raise ChaosctlError(f"There is no entry {path} in the ledger, or it is damaged.")
    if abs(api.ahead) > FARTHEST:
        raise ChaosctlError(
            f"The clock of node {os.environ.get('NODE', '')} is {api.ahead:+.1f} s off the API server's: the fault "
            "would not end at its deadline."
        )
    for change in noted.changes.values():
        api.patch(f"{change.path}?dryRun=All", {}, changes.STRATEGIC)


def guard(api: changes.Api, path: str, say: Callable[[str], None] = print) -> None:
    """Take each change back when its time is over, until none is left; where none ever came, give up a while later.

    When that is stands with the change. The entry alone does not tell: it is written before the change, and guardians
    may take longer to start than the fault lasts.
    """
    known: Mapping[str, changes.Change] = {}
    deadline, seen, told = 0.0, False, set[str]()
    while True:
        with contextlib.suppress(ChaosctlError):
            if noted := _noted(api, path):
                known = {**noted.changes, **known}
                deadline = max(deadline, noted.deadline)
        left = [_settled(api, change, say, told) for change in known.values()]
        waiting = [moment for moment in left if moment is not None]
        seen = seen or bool(waiting)
        if deadline and not waiting and time.time() > deadline + (0.0 if seen else _LATEST):
            return
        _sleep(min([_NAP, *(moment - time.time() for moment in waiting)]) if waiting else _AGAIN)


def _sleep(seconds: float) -> None:
    """Sleep so long, but for a moment at least where something is to be tried again."""
    time.sleep(seconds if seconds > 0 else _AGAIN)


def _settled(api: changes.Api, change: changes.Change, say: Callable[[str], None], told: set[str]) -> float | None:
    """Take a change back if its time is over; returns when it is, or None where there is none, or nothing to be done.

    Where somebody else has changed it, that is said once and left to people.
    """
    try:
        moment = changes.ends(api, change)
        if moment is None or change.path in told:
            return None
        if moment > time.time():
            return moment
        changes.revert(api, change)
    except (CommandFailed, Unreachable) as error:
        say(f"{change.path}: tried again, because: {error}")
        return 0.0
    except ChaosctlError as error:
        say(str(error))
        told.add(change.path)
    return moment


def _noted(api: changes.Api, path: str) -> _Noted | None:
    """Return what the ledger has of the fault of its guardians; None where there is none, or what is there is none."""
    found = api.find(path)
    try:
        entry = parsed(found["data"]["entry"]) if found else None
        if entry is None or not path.endswith(f"/fault-{entry.id}"):
            return None
        undo = [command for site in entry.sites for command in site.steps.undo]
        made = [changes.parsed(each.stdin) for each in undo if each.argv[:2] == ("api", "revert")]
        return _Noted(float(entry.deadline), {change.path: change for change in made if change.fault == entry.id})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def main() -> None:
    """Do what the first argument says about the entry that the second names."""
    # As process 1 of its container it would not end when told to; a guardian that is evicted has not done its work.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    what, path = sys.argv[1:]
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    api = InCluster(f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}")
    try:
        check(api, path) if what == "check" else guard(api, path)
    except ChaosctlError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
