import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from probes._prometheus_api import Api, chosen
from probes.prometheus import Server
from runner.config import Prometheus
from runner.errors import Unreachable, UsageError
from runner.model import Outcome
from tests.probes._prometheus_server import free_port, running

PASSWORD = "open sesame"  # noqa: S105 - of a server that lives for one test
HASHED = "$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy"


def configured(url: str, **more: Any) -> Prometheus:
    return Prometheus.model_validate({"url": url, **more})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    files = "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")
    names = "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"
    curve = "ec_paramgen_curve:prime256v1"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", *files, *names]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def guarded(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    web = {
        "tls_server_config": {"cert_file": str(certificate), "key_file": str(certificate.with_name("key.pem"))},
        "basic_auth_users": {"chaos": HASHED},
    }
    with running(tmp_path_factory.mktemp("guarded"), [], web=web) as url:
        yield url


def test_authority_and_password_open_a_guarded_server(
    guarded: str, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_PASSWORD", PASSWORD)
    reached = Api(configured(guarded, ca_file=certificate, username="chaos", password={"env": "PROMETHEUS_PASSWORD"}))
    assert reached.instant("vector(7)")[0].points[0][1] == 7.0
    reached.close()


@pytest.mark.parametrize(
    ("credentials", "named"),
    [
        ({"username": "chaos", "password": {"env": "WRONG"}}, "username 'chaos' with the password from $WRONG"),
        ({"bearer_token": {"env": "WRONG"}}, "the bearer token from $WRONG"),
        ({}, "no credentials"),
    ],
)
def test_refused_authentication_names_the_reference_never_the_secret(
    guarded: str, certificate: Path, credentials: dict[str, Any], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "s3cr3t-and-wrong")
    with Server(configured(guarded, ca_file=certificate, **credentials)) as asked:
        with pytest.raises(Unreachable, match="refused the authentication with 401") as caught:
            asked.value("up")
        assert named in caught.value.message
        assert "`up`" in caught.value.message
        assert "s3cr3t" not in str(caught.value)
        assert asked.instant("up").outcome == Outcome.UNREACHABLE


def test_an_unknown_authority_is_named_as_such(guarded: str) -> None:
    with Server(configured(guarded)) as asked, pytest.raises(Unreachable, match="could not be trusted") as caught:
        asked.value("up")
    assert "ca_file" in caught.value.fix


def test_a_refused_connection_is_told_at_once() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Server(configured(url)) as asked:
        with pytest.raises(Unreachable, match="Connection refused") as caught:
            asked.value("up")
        assert url in caught.value.message
        assert "`up`" in caught.value.message
        assert f"curl {url}/-/ready" in caught.value.fix
        sample = asked.instant("up")
        assert (sample.outcome, sample.value) == (Outcome.UNREACHABLE, None)
        assert "Connection refused" in sample.detail


def test_a_server_that_hangs_costs_one_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Server(configured(url, timeout="1s")) as asked:
            begun = time.monotonic()
            sample = asked.instant("up")
            took = time.monotonic() - begun
        assert sample.outcome == Outcome.UNREACHABLE
        assert "did not answer within 1 s" in sample.detail
        assert took >= 1
        assert _connections(listener) == 1


def _connections(listener: socket.socket) -> int:
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


@contextmanager
def answering(*answers: str | int | None) -> Iterator[tuple[str, list[str]]]:
    """A server that gives set answers and keeps the Authorization headers: a real one cannot be made to say these."""
    heard: list[str] = []
    queue = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            answer = queue.pop(0) if len(queue) > 1 else queue[0]
            if answer is None:
                self.connection.close()
                return
            self.send_response(answer if isinstance(answer, int) else 200)
            self.end_headers()
            self.wfile.write(answer.encode() if isinstance(answer, str) else b"<h1>Down for a while</h1>")

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}", heard
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


NOTHING = json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})


def test_a_connection_that_broke_is_tried_once_more() -> None:
    with answering(None, NOTHING) as (url, heard), Server(configured(url)) as asked:
        assert asked.instant("up").outcome == Outcome.NO_SERIES
        assert len(heard) == 2


def test_a_connection_that_keeps_breaking_is_given_up() -> None:
    with answering(None) as (url, heard), Server(configured(url)) as asked:
        assert asked.instant("up").outcome == Outcome.UNREACHABLE
        assert len(heard) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [(503, "answered 503: Down for a while"), (404, "answered 404"), ("<html>", "not as Prometheus"), ("{}", "not as")],
)
def test_an_answer_that_is_none_is_not_tried_again(answer: str | int, said: str) -> None:
    with answering(answer) as (url, heard), Server(configured(url)) as asked:
        sample = asked.instant("up")
        assert sample.outcome == Outcome.UNREACHABLE
        assert said in sample.detail
        assert len(heard) == 1


def test_a_bearer_token_is_read_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with answering(NOTHING) as (url, heard), Server(configured(url, bearer_token={"file": str(token)})) as asked:
        for word in ("first", "second"):
            token.write_text(f"{word}\n")
            asked.instant("up")
        assert heard == ["Bearer first", "Bearer second"]
        token.unlink()
        assert asked.instant("up").outcome == Outcome.UNREACHABLE


def test_proxies_of_the_environment_are_honoured_only_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with answering(NOTHING) as (url, _):
        with Server(configured(url)) as direct:
            assert direct.instant("up").outcome == Outcome.NO_SERIES
        with Server(configured(url, proxy=True)) as proxied, pytest.raises(Unreachable) as caught:
            proxied.value("up")
        assert "HTTP_PROXY" in caught.value.fix


@pytest.mark.parametrize("url", ["localhost:9090", "ftp://host", "no address", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no address"):
        Api(chosen(url))


def test_addresses_carry_no_credentials() -> None:
    with pytest.raises(UsageError, match="carries credentials") as caught:
        Api(chosen("http://chaos:s3cr3t@prometheus.example:9090"))
    assert "s3cr3t" not in str(caught.value)


CHAOSCTL_YAML = """
default: staging
environments:
  staging: {kind: preproduction, prometheus: {url: "http://prometheus.staging:9090"}}
  bare: {kind: preproduction}
"""


def test_without_an_address_the_environment_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "chaosctl.yaml"
    file.write_text(CHAOSCTL_YAML)
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(file))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("CHAOSCTL_ENV", raising=False)
    assert chosen("").url.host == "prometheus.staging"
    monkeypatch.setenv("CHAOSCTL_ENV", "bare")
    with pytest.raises(UsageError, match="'bare' names no Prometheus"):
        chosen("")
