"""How requests go to a cluster; a stand-in answers."""

import socket
import threading
from pathlib import Path

import pytest

from runner.cluster import Cluster
from runner.config import Kubernetes
from runner.errors import CommandFailed, Missing
from runner.model import OWN_PRIORITY
from tests._api_server import cluster


def test_connections_have_the_priority_by_which_faults_of_requests_spare_them(tmp_path: Path) -> None:
    with cluster(tmp_path, "uid") as server:
        at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=server.kubeconfig))
        made = at._pool.connection_from_url(at._settings.host)._get_conn()
        made.connect()
        assert made.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == OWN_PRIORITY  # type: ignore[attr-defined]
        made.close()


@pytest.mark.parametrize(("status", "raised"), [(429, CommandFailed), (503, CommandFailed), (403, Missing)])
def test_watch_that_is_refused_says_so_and_is_not_taken_for_one_that_tells_nothing(
    tmp_path: Path, status: int, raised: type[Exception]
) -> None:
    """Whoever follows it has to know that it sees nothing: silence is what some faults are proven by."""
    with cluster(tmp_path, "uid") as server:
        at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=server.kubeconfig))
        server.status = status
        with pytest.raises(raised, match=str(status)):
            list(at.watch("/api/v1/pods", "1", threading.Event()))
    assert len(server.asked) == 1
