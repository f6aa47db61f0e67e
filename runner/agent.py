"""Looks at the machine it runs on, for a runner elsewhere: this file is sent to a target's own Python as it stands.

One JSON document a line. It says its Python's version, then answers each request `{function, arguments, before, name}`
with `{look}` or `{error}`. What it lacks of the probe's code it asks for, `{need}`, module by module: nothing is
installed there, nothing is left there, and it ends when its standard input does.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import threading
from types import ModuleType
from typing import Any

_ANSWERS = sys.stdout
_LOCK = threading.Lock()


class _Sent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds every module that is not Python's own at the runner, so that no library of the target's gets in between."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002 - as importlib asks
        if fullname.partition(".")[0] in sys.stdlib_module_names:
            return None
        with _LOCK:
            _say({"need": fullname})
            sent = json.loads(sys.stdin.readline())
        if sent is None:
            raise ModuleNotFoundError(f"the runner has no {fullname} to send", name=fullname)
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=sent["origin"], is_package=sent["package"])
        spec.loader_state = sent
        return spec

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__  # noqa: S101 - the import system made the module from one
        sent = module.__spec__.loader_state
        exec(compile(sent["source"], sent["origin"], "exec"), module.__dict__)  # noqa: S102 - what an import is


def _say(told: object) -> None:
    _ANSWERS.write(json.dumps(told) + "\n")
    _ANSWERS.flush()


def _looked(request: dict[str, Any]) -> dict[str, Any]:
    from runner.errors import ChaosctlError  # noqa: PLC0415 - sent on demand
    from runner.looking import look  # noqa: PLC0415
    from runner.model import Look, ProbeCall, Sight  # noqa: PLC0415
    from runner.targets.local import Local  # noqa: PLC0415

    at = Local()
    at.name = request["name"]
    told = request["before"]
    before = Look(**{**told, "sight": Sight(told["sight"])}) if told else None
    try:
        return {"look": vars(look(at, ProbeCall(request["function"], request["arguments"]), before))}
    except ChaosctlError as error:
        return {"error": error.message, "fix": error.fix}


def main() -> None:
    """Answer until there is nobody left to ask."""
    sys.stdout = sys.stderr
    _say({"python": sys.version_info[:2]})
    sys.meta_path.insert(0, _Sent())
    while line := sys.stdin.readline():
        _say(_looked(json.loads(line)))


if __name__ == "__main__":
    main()
