"""What watchers of a latency share: nobody waits for one that broke before it began to ask."""

import pytest

from probes._asking import Asking
from probes._shown import Shown


class Broken(Asking):
    """A watcher with a defect."""

    async def _live(self) -> None:
        raise KeyError("nobody thought of this")


@pytest.mark.timeout(20)
def test_error_that_nobody_thought_of_is_raised_where_it_is_opened() -> None:
    watcher = Broken("broken", 10.0, Shown("write", "etcd", 1.0, 0.9, 0.0, lambda: None))
    with pytest.raises(KeyError, match="nobody thought of this"):
        watcher.open()
    watcher.close()
