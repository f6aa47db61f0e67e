"""How requests go to a cluster; a stand-in answers."""

import socket
from pathlib import Path

from runner.cluster import Cluster
from runner.config import Kubernetes
from runner.model import OWN_PRIORITY
from tests._api_server import cluster


def test_connections_have_the_priority_by_which_faults_of_requests_spare_them(tmp_path: Path) -> None:
    with cluster(tmp_path, "uid") as server:
        at = Cluster("lab", Kubernetes(context="payment", uid="uid", kubeconfig=server.kubeconfig))
        made = at._pool.connection_from_url(at._settings.host)._get_conn()
        made.connect()
        assert made.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY) == OWN_PRIORITY  # type: ignore[attr-defined]
        made.close()
