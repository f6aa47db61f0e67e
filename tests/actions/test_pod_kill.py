"""pod-kill, without a cluster; tests/kubernetes has the rest."""

import pytest

from actions.pod_kill import PodKill
from runner.errors import UsageError
from runner.model import EndsBy
from runner.parameters import build


@pytest.mark.parametrize("grace", ["soon", "-1", "3601", True])
def test_grace_is_whole_seconds(grace: object) -> None:
    with pytest.raises(UsageError, match="no grace period"):
        build(PodKill, {"grace": grace})


def test_it_is_over_at_once() -> None:
    assert PodKill.ends_by is EndsBy.ONE_SHOT
