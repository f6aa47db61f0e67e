"""pod-kill on a real cluster: the pod goes, and a replacement comes to be ready."""

from typing import Any

import pytest

from actions.pod_kill import PodKill
from runner.errors import UsageError
from runner.model import EndsBy
from runner.parameters import build
from tests._kubernetes import running


@pytest.mark.parametrize("grace", ["soon", "-1", "3601", True])
def test_grace_is_whole_seconds(grace: object) -> None:
    with pytest.raises(UsageError, match="no grace period"):
        build(PodKill, {"grace": grace})


def test_it_is_over_at_once() -> None:
    assert PodKill.ends_by is EndsBy.ONE_SHOT


def _all_of(app: str, count: int) -> list[dict[str, Any]]:
    found = running(app)
    return found if len(found) == count else []
