"""The agent: runs commands and looks where it is, told by lines on standard input, and ends when that is closed.

It is all that a node pod does (`python -m runner.remote.agent`). A command that changes a target holds that target
alone, and so does what it leaves running: whoever comes after a killed runner waits for it.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, BinaryIO

from runner.errors import ChaosctlError, Unreachable
from runner.looking import named
from runner.model import Command, Look, clock
from runner.remote import messages
from runner.remote.inside import Node, PodNetwork, alone
from runner.targets import Target

__all__ = ["main", "serve"]

_AT_ONCE = 48
_PATIENCE = 120.0
_LOOKS = "probes."
_WATCHERS: dict[str, Any] = {}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more; they are worked on at the same time."""
    speaking = threading.Lock()

    def answer(request: Mapping[str, Any]) -> None:
        reply = {"id": request["id"], **_answered(request)}
        with speaking:
            answers.write(messages.encode(reply))
            answers.flush()

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for line in requests:
            pool.submit(answer, json.loads(line))


def main() -> None:
    """Serve standard input, and end with it, once what is under way is done.

    Nobody may ever speak to it: where its runner died before that, it ends too.
    """
    silent = threading.Timer(_PATIENCE, os._exit, [1])
    silent.daemon = True
    silent.start()
    serve(_Heard(sys.stdin.buffer, silent), sys.stdout.buffer)  # type: ignore[arg-type]
    os._exit(0)


class _Heard:
    """Lines that end a timer when the first of them comes."""

    def __init__(self, lines: BinaryIO, silent: threading.Timer) -> None:
        self._lines = lines
        self._silent = silent

    def __iter__(self) -> Any:
        for line in self._lines:
            self._silent.cancel()
            yield line


def _answered(request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        at = PodNetwork(request["name"], request["uid"]) if request.get("uid") else Node(request.get("name", ""))
        return {"value": _DOES[request["do"]](at, request)}
    except ChaosctlError as error:
        return {"error": messages.error_to(error)}
    except Exception as error:  # noqa: BLE001 - the agent's outermost edge: told to the runner, whatever it is
        told = f"The agent failed at `{request.get('do')}`: {type(error).__name__}: {error}"
        return {"error": messages.error_to(ChaosctlError(told))}


def _hello(at: Target, request: Mapping[str, Any]) -> float:  # noqa: ARG001 - all of them are called alike
    return clock()


def _run(at: Target, request: Mapping[str, Any]) -> str:
    command = Command(tuple(request["argv"]), request["stdin"])
    if not request["alone"]:
        return at.run(command, request["timeout"])
    with alone(at) as held:
        return at.run(command, request["timeout"], (held,))


def _resolver(at: Target, request: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return asdict(at.resolver())


def _identity(at: Target, request: Mapping[str, Any]) -> str:  # noqa: ARG001
    return at.identity()


def _look(at: Target, request: Mapping[str, Any]) -> dict[str, Any] | None:
    probe: Callable[..., Look] = _probe(request["function"])
    return messages.look_to(probe(at, messages.look_from(request["before"]), **request["arguments"]))


def _watch(at: Target, request: Mapping[str, Any]) -> Any:
    """Do one step of a look that stays here from its opening to its closing."""
    number, step = request["watcher"], request["step"]
    if step == "open":
        watcher = _probe(request["function"])(at, **request["arguments"])
        watcher.open()
        _WATCHERS[number] = watcher
        return None
    if step == "close":
        return _WATCHERS.pop(number).close() if number in _WATCHERS else None
    if (watcher := _WATCHERS.get(number)) is None:
        raise Unreachable(f"The look at {at.name} broke off: the pod that looked from there was replaced.")
    if step == "measured":
        return list(watcher.measured(request["since"], request["until"]))
    if step == "achieved":
        return messages.look_to(watcher.achieved(request["since"], request["until"]))
    return messages.look_to(watcher.look(messages.look_from(request["before"])))


def _probe(function: str) -> Callable[..., Any]:
    if not function.startswith(_LOOKS):
        raise ChaosctlError(f"{function.partition(':')[0]} is no probe.")
    return named(function)


_DOES: dict[str, Callable[[Target, Mapping[str, Any]], Any]] = {
    "hello": _hello,
    "run": _run,
    "resolver": _resolver,
    "identity": _identity,
    "look": _look,
    "watch": _watch,
}

if __name__ == "__main__":
    main()
