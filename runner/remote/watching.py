"""A look that stays, at a target that only an agent can look from: it lives in the agent, and is asked from here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.ledger import new_id
from runner.model import Look, ProbeCall
from runner.remote import messages
from runner.remote.connection import Connection

__all__ = ["RemoteWatcher"]

_LONGEST = 30.0


class RemoteWatcher:
    """See runner.fault.Watcher; `ask` asks the agent about the target, `reached` returns the connection to it.

    Once that connection is lost so is the watcher: another agent on the same node knows nothing of it.
    """

    def __init__(self, call: ProbeCall, ask: Callable[..., Any], reached: Callable[[], Connection]) -> None:
        self._call = call
        self._ask = ask
        self._reached = reached
        self._id = ""

    def open(self) -> None:
        """Begin; raises what says why it cannot."""
        self._id = new_id()
        self._do("open", function=self._call.function, arguments=dict(self._call.arguments))

    def close(self) -> None:
        """End, and leave nothing behind."""
        if self._id:
            self._do("close")
            self._id = ""

    def look(self, before: Look | None) -> Look:
        """Look at the effect as it is now, its times on our clock."""
        ahead = self._ahead
        return _look(self._do("look", before=messages.look_to(before, ahead)), ahead)

    def measured(self, since: float, until: float) -> Sequence[float]:
        """Return what was measured of what began between two moments, in seconds."""
        ahead = self._ahead
        return [float(value) for value in self._do("measured", since=since + ahead, until=until + ahead)]

    def achieved(self, since: float, until: float) -> Look:
        """Return what the fault came to from its beginning to its end."""
        ahead = self._ahead
        return _look(self._do("achieved", since=since + ahead, until=until + ahead), ahead)

    @property
    def _ahead(self) -> float:
        return self._reached().ahead

    def _do(self, step: str, **arguments: Any) -> Any:
        return self._ask("watch", _LONGEST, watcher=self._id, step=step, **arguments)


def _look(told: Mapping[str, Any], ahead: float) -> Look:
    look = messages.look_from(told, ahead)
    assert look is not None  # noqa: S101 - a watcher returns one
    return look
