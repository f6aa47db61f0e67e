"""The cluster of the benchmarks that need one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests._kube import Kube, cluster

__all__ = ["chosen_cluster"]


@contextmanager
def chosen_cluster() -> Iterator[Kube]:
    """Have a cluster as the chosen environment of this process and of those that it starts, with a state of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as state, cluster(Path(state)) as kube:
        os.environ |= {**kube.choice, "XDG_STATE_HOME": state}
        yield kube
