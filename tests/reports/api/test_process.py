"""The socket that server processes share."""

import http.client
import socket
import time
from pathlib import Path

import pytest
import requests

from reports.api.limits import AT_HAND
from reports.api.process import configured, listen
from runner.errors import Unreachable
from tests.reports._serving import serving


def test_no_answer_waits_for_an_acknowledgement() -> None:
    """Without this each answer over a connection that is kept takes 40 ms: its second packet waits for the first."""
    listening = listen("127.0.0.1", 0)
    with listening.socket as ours, socket.create_connection(ours.getsockname()), ours.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_an_address_that_is_taken_is_said() -> None:
    with listen("127.0.0.1", 0).socket as ours:
        port = ours.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"127\.0\.0\.1 port {port} cannot be listened on"):
            listen("127.0.0.1", port)


def test_a_connection_may_rest_for_longer_than_clients_and_proxies_keep_it() -> None:
    """By default it is closed after 5 s, while a client that keeps it for a minute may be sending its next request."""
    assert configured(1).timeout_keep_alive > 60


def _descendants(parent: int) -> set[int]:
    listed = Path(f"/proc/{parent}/task/{parent}/children")
    children = {int(each) for each in listed.read_text().split()}
    return children.union(*(_descendants(each) for each in children))


def test_several_processes_that_share_a_socket_end_with_the_one_that_was_killed(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/store.db", "--processes", "2", "--judges", "0") as server:
        assert requests.get(f"{server.url}/healthz", timeout=60).status_code == 200
        assert server._process
        left = _descendants(server._process.pid)
        assert len(left) >= 2
        server.kill()
        until = time.monotonic() + 60
        while any(Path(f"/proc/{each}").exists() for each in left):
            assert time.monotonic() < until, "a process outlived the server"
            time.sleep(0.05)


def test_a_body_that_is_not_small_waits_for_its_token(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/store.db", "--judges", "0") as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
        connection.putrequest("POST", "/api/v1/runs")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(AT_HAND + 1))):
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 401, "nothing of it was sent"
        connection.close()
