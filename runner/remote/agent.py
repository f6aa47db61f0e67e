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
from importlib import import_module
from typing import Any, BinaryIO

from runner.errors import ChaosctlError
from runner.model import Command, Look, clock
from runner.remote import messages
from runner.remote.inside import Node, PodNetwork, alone
from runner.targets import Target

__all__ = ["main", "serve"]

_AT_ONCE = 48
_PATIENCE = 120.0
_LOOKS = "probes."


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
    module, _, function = request["function"].partition(":")
    if not module.startswith(_LOOKS):
        raise ChaosctlError(f"{module} is no probe.")
    probe: Callable[..., Look] = getattr(import_module(module), function)
    return messages.look_to(probe(at, messages.look_from(request["before"]), **request["arguments"]))


_DOES: dict[str, Callable[[Target, Mapping[str, Any]], Any]] = {
    "hello": _hello,
    "run": _run,
    "resolver": _resolver,
    "identity": _identity,
    "look": _look,
}

if __name__ == "__main__":
    main()
