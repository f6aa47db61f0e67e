"""What tests of faults that guardians end have in common: what is there of them, and a runner that dies."""

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runner.changes import MARK
from tests._cli import chaosctl, proven, started
from tests._kubernetes import GUARDIANS, NODE_GUARDIANS, here, left, until

DEPLOYMENTS = "/apis/apps/v1/namespaces/payment/deployments"


def mark(path: str) -> str:
    """Return which fault has changed an object; nothing where none has."""
    return str(here().get(path)["metadata"].get("annotations", {}).get(MARK, ""))


def guardians() -> list[dict[str, Any]]:
    """Return the guardians that are there, whichever fault they are for."""
    return [pod for place in (GUARDIANS, NODE_GUARDIANS) for pod in here().items(place, None).items]


def account(line: Sequence[str]) -> dict[str, Any]:
    """Inject to the end, and return the account, after asserting that it was proven and ended by itself."""
    done = chaosctl(*line, "--output=json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    for target in found["targets"]:
        assert target["ended_how"] == "deadline", target
        assert target["hits"] > 0
        before, *during, after = [look["sight"] for look in target["looks"]]
        assert (before, {*during}, after) == ("absent", {"present"}, "absent"), target["looks"]
    return found


def killed(line: Sequence[str]) -> str:
    """Inject, kill the runner when its fault is proven, and return the fault's id."""
    with started(*line) as runner:
        fault_id = proven(runner)
        os.killpg(runner.pid, signal.SIGKILL)
    return fault_id


def elsewhere(tmp_path: Path, *words: str) -> Any:
    """Return what another machine answers, that has the same environment and another disk."""
    done = chaosctl(*words, "--output=json", XDG_STATE_HOME=str(tmp_path / "elsewhere"))
    assert done.code == 0, done.err
    return json.loads(done.out)


def recovered(tmp_path: Path, fault_id: str) -> None:
    """Undo a fault from another machine, and see that nothing is left."""
    assert fault_id in elsewhere(tmp_path, "recover", "--all")["undone"]
    assert elsewhere(tmp_path, "faults") == []
    until("nothing of ours", lambda: not left())
