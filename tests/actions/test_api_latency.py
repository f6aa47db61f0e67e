"""api-latency on a real HTTPS server, asked by its own address and by a Service's, with clients that are not ours."""

import os
import re
import signal
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from actions import _tc
from actions._stalls import Stalls
from actions.api_latency import ApiLatency
from runner.errors import Inconclusive, Missing, Refused, UsageError
from runner.model import OWN_PRIORITY, Command, Sight, parse_duration
from runner.parameters import build
from runner.plan import plan
from runner.targets.ephemeral import EphemeralTarget
from runner.targets.netns import Netns
from runner.targets.node import NodeTarget
from runner.targets.pod import PodTarget
from tests._cli import chaosctl, proven, started
from tests._https import NEWER, OTHER, PORT, SERVER, SERVICE, Https, ask, https
from tests._inject import healed, injected, injection
from tests._scratch import left

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
LONG = {"latency": "3s", "percentile": 50, "duration": "10m", "force": True}
"""Its first window is of nine seconds, and opens at once."""


@pytest.fixture(scope="module")
def api() -> Iterator[Https]:
    with https() as made:
        yield made


def whom(made: Https) -> dict[str, str]:
    """Return the parameters by which the fault finds the server."""
    return {"where": made.client.name, "endpoint": f"{made.by_service},{made.by_itself},{made.newer}"}


class Answering:
    """A stand-in for a cluster: where its API server is, and its Service."""

    environment = "lab"

    def request(self, _method: str, path: str, _body: Any) -> dict[str, Any]:
        if "/endpointslices" in path:
            return {"items": [{"ports": [{"port": 6443}], "endpoints": [{"addresses": ["10.0.0.1"]}]}]}
        return {"items": [{"spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}}]}


@pytest.mark.parametrize("kind", [PodTarget, EphemeralTarget])
def test_pods_need_no_endpoint_named_where_their_cluster_knows_it(kind: type[PodTarget]) -> None:
    pod = kind(Answering(), "payment", "payment-api-0")  # type: ignore[arg-type]
    assert [found.url for found in _latency()._servers(pod)] == ["https://10.96.0.1:443", "https://10.0.0.1:6443"]


def test_nodes_are_held_back_from_the_api_server_itself_first() -> None:
    node = NodeTarget(Answering(), "worker-03")  # type: ignore[arg-type]
    assert [found.url for found in _latency()._servers(node)] == ["https://10.0.0.1:6443", "https://10.96.0.1:443"]


def test_target_outside_of_clusters_has_to_be_told_where_the_api_server_is() -> None:
    with pytest.raises(UsageError, match="is in no cluster"):
        _latency()._servers(Netns("payment-api"))


def _latency() -> ApiLatency:
    return ApiLatency(latency=1.0, percentile=95)


class Load:
    """Connections of their own, one for each request, at a steady rate whatever they take."""

    def __init__(self, made: Https, host: str, port: int) -> None:
        self.took: list[tuple[float, float]] = []
        self._made, self._way = made, (host, port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(32) as pool:
            while not self._over.wait(0.1):
                pool.submit(self._one)

    def _one(self) -> None:
        begun = time.monotonic()
        with self._made.dial(*self._way) as connection:
            ask(connection)
        self.took.append((begun, time.monotonic() - begun))


def test_quantile_becomes_the_latency_by_service_and_by_address(no_leaks: None, api: Https) -> None:
    """The figures are in the record; how exactly they are met depends on how busy the machine is."""
    with Load(api, SERVICE, 443) as one, Load(api, SERVER, PORT) as other:
        made = injected("api-latency", latency="300ms", percentile=50, duration="14s", **whom(api))
        begun = time.monotonic()
        made.wait()
        made.finish()
    [course] = made.courses
    assert course.achieved
    achieved, shown = course.achieved.evidence, course.achieved.detail
    assert achieved["achieved"] >= 0.15, shown
    assert "P50 of requests" in shown
    assert {"p50", "p90", "p95", "p99"} <= achieved["requests"].keys()
    assert achieved["server"] == api.by_service
    assert (course.achieved.sight is Sight.PRESENT) == (abs(achieved["achieved"] - 0.3) <= 0.03) == (not course.errors)
    for load in (one, other):
        during = [took for at, took in load.took if at > begun and took > 0.25]
        assert len(during) > 5, "clients that are not ours wait"
    assert course.hits
    assert course.ended_how == "deadline"
    assert made.healed
    assert "11 times, every 1.27s, all requests are held back for about" in made.account()["notes"][0]


def test_what_is_held_back_and_what_is_let_pass(no_leaks: None, api: Https) -> None:
    ways = [(SERVICE, 443), (SERVER, PORT), (NEWER, PORT)]
    kept = [api.dial(*way) for way in ways]
    others = [api.dial(SERVER, OTHER), api.dial(SERVICE, 443, OWN_PRIORITY), api.dial(NEWER, PORT, OWN_PRIORITY)]
    for connection in (*kept, *others):
        ask(connection)
    made = injected("api-latency", **LONG, **whom(api))
    try:
        for connection in kept:
            connection.settimeout(0.5)
            with pytest.raises(TimeoutError):
                ask(connection)
        assert max(map(ask, others)) < 0.5, "what is at other ports, and what chaosctl itself asks"
    finally:
        healed(made)
    assert made.healed
    for connection, way in zip(kept, ways, strict=True):
        connection.settimeout(30)
        assert b'"v1"' in connection.recv(65536), f"{way} is answered in the end"
    assert left(api.client) == []
    assert made.hits


def test_our_own_look_is_no_workload(no_leaks: None) -> None:
    with https() as quiet:
        assert healed(injected("api-latency", **LONG, **whom(quiet))).hits == 0


def test_killed_it_pulses_no_more_and_ends_in_time(no_leaks: None, api: Https) -> None:
    asked = [f"--on={api.client.name}", f"--endpoint={api.by_itself}", "--latency=1s", "--percentile=50"]
    with started("inject", "api-latency", *asked, "--duration=42s") as runner:
        fault_id = proven(runner)
        os.killpg(runner.pid, signal.SIGKILL)
        dead = time.monotonic()
    until(lambda: "elements" not in listed(api, fault_id, "held"))
    threading.Event().wait(max(0.0, dead + 6 - time.monotonic()))
    assert "elements" not in listed(api, fault_id, "held"), "no other window has come"
    with api.dial(SERVER, PORT) as connection:
        assert ask(connection) < 0.8
    if rest := re.search(r"expires (\w+)", listed(api, fault_id, "armed")):
        assert parse_duration(rest[1]) <= 42 - (time.monotonic() - dead) + 0.1
    assert chaosctl("recover", fault_id).code == 0
    assert left(api.client) == []


def listed(made: Https, fault_id: str, name: str) -> str:
    return made.client.run(Command(("nft", "list", "set", "inet", f"chaos_{fault_id}", name)))


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.05)


def test_fault_that_holds_nothing_back_is_not_proven(
    no_leaks: None, api: Https, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Stalls.rules
    monkeypatch.setattr(Stalls, "rules", lambda self, s: (line for line in rules(self, s) if line != "drop"))
    made = injection("api-latency", latency="1s", percentile=50, duration="60s", **whom(api))
    with pytest.raises(Inconclusive, match="did not show"):
        made.start()
    assert left(api.client) == []


def test_server_that_is_not_there_is_said_before_anything_is_touched(no_leaks: None, api: Https) -> None:
    asked = ["--latency=300ms", "--percentile=50", "--duration=60s", f"--on={api.client.name}"]
    done = chaosctl("inject", "api-latency", *asked, f"--endpoint=https://{SERVER}:1")
    assert done.code == 4, done.err
    assert f"https://{SERVER}:1 cannot be reached from {api.client.name}" in done.err
    assert left(api.client) == []


@pytest.mark.netem
def test_every_request_is_late_where_the_kernel_has_netem(no_leaks: None) -> None:
    with https() as api:
        own, others = api.dial(SERVICE, 443, OWN_PRIORITY), [api.dial(SERVICE, 443), api.dial(NEWER, PORT)]
        usual = statistics.median(ask(own) for _ in range(5))
        made = injected("api-latency", latency="600ms", duration="10m", **whom(api))
        for connection in others:
            assert statistics.median(_twice(connection)) > 0.55
        assert statistics.median(ask(own) for _ in range(5)) < usual + 0.3, "chaosctl itself is let pass"
        assert healed(made).healed, made.account()
        assert made.hits
        assert made.account()["notes"][0].startswith("Engine: netem, as always without a percentile")
        assert left(api.client) == []


def _twice(connection: ssl.SSLSocket) -> list[float]:
    """Ask until TCP has got used to it."""
    return [ask(connection) for _ in range(6)][1:]


def test_without_netem_it_says_what_can_be_had(namespace: Netns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in a way that no kernel knows."""
    monkeypatch.setattr(_tc, "delay", lambda *_: "nonesuch delay 100ms")
    made = build(ApiLatency, {"latency": "100ms", "endpoint": "https://127.0.0.1:6443"})
    with pytest.raises(Missing, match="its kernel has no `nonesuch delay 100ms rate 100gbit`") as missing:
        made.steps(namespace, "scratch", 60)
    assert missing.value.fix.endswith("Or ask for a percentile, which windows make without netem: --percentile=99.")


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("https://10.0.0.1:2379", "Port 2379 is etcd's"),
        ("http://10.0.0.1:6443", "is no address of an API server"),
        ("10.0.0.1:6443", "is no address of an API server"),
        ("https://10.0.0.1:99999", "is no address of an API server"),
    ],
)
def test_endpoint_that_cannot_be_meant_is_refused(endpoint: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        build(ApiLatency, {"latency": "1s", "endpoint": endpoint})


def test_whoever_is_in_no_cluster_has_to_say_where_the_server_is(namespace: Netns) -> None:
    with pytest.raises(UsageError, match=r"is in no cluster.*--endpoint"):
        build(ApiLatency, {"latency": "1s"}).proof(namespace)


def test_silence_that_is_another_fault_is_refused_unless_forced() -> None:
    asked = {"where": "local", "duration": "20m", "latency": "4s"}
    with pytest.raises(Refused, match=r"for 4s\. Clients that elect a leader give a request up after 5s"):
        plan(ApiLatency, asked)
    with pytest.raises(Refused, match=r"for 4\.\d+s"):
        plan(ApiLatency, {**asked, "latency": "3s", "percentile": 97})
    assert plan(ApiLatency, {**asked, "force": True}).seconds == 1200
    assert plan(ApiLatency, {**asked, "latency": "2500ms", "percentile": 99}).seconds == 1200


def test_duration_is_long_enough_where_nobody_says_one() -> None:
    asked = {"where": "local", "latency": "800ms", "percentile": 95}
    assert plan(ApiLatency, asked).seconds == 180
    with pytest.raises(UsageError, match=r"60s is too short for 800ms at the 95th percentile"):
        plan(ApiLatency, {**asked, "duration": "60s"})
    with pytest.raises(UsageError, match="does not show within 2s"):
        plan(ApiLatency, {"where": "local", "latency": "800ms", "duration": "2s"})


def test_sentences_say_who_waits_for_what() -> None:
    asked = {"latency": "800ms", "percentile": "P95"}
    assert build(ApiLatency, asked).sentence("a in payment") == (
        "requests of a in payment to the API server have a P95 of 800ms"
    )
    late = build(ApiLatency, {"latency": "100ms"}).sentence("worker-03")
    assert late == "every answer of the API server to worker-03 is 100ms late"
