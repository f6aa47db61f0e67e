"""api-latency on a real cluster: pods by the Service, a node by the API server's own address, and nobody else."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.kubernetes.names import SERVICE_API
from runner.errors import Missing
from runner.lifecycle import Injection
from runner.model import Sight
from runner.remote.inside import PodNetwork
from tests._cli import chaosctl
from tests._https import ask, dial
from tests._inject import healed, injected
from tests._kube import Kube
from tests._kubernetes import PAYMENT, here, left, pod, ready, until
from tests.e2e.conftest import EXPERIMENTS, chaos_run
from tests.kubernetes._guarded import elsewhere, killed, recovered
from tests.kubernetes.test_experiments import proven, too_slow

LINE = "inject", "api-latency", "--namespace=ledger", "--selector=app=payment-ledger", "--replicas=all"
LONG = {"latency": "1200ms", "percentile": 50, "duration": "300s"}
"""Windows of almost four seconds, one after the other with hardly more than a second between them."""


@pytest.fixture
def nothing_left(kube: Any) -> Iterator[None]:
    """Assert that the cluster is as it was."""
    yield
    assert until("nothing of ours", lambda: not left())


def slowest(name: str, seconds: float) -> float:
    """Ask the API server from a pod's network for so long, and return how long its slowest answer took."""
    end, took = time.monotonic() + seconds, []
    at = PodNetwork(name, here().get(f"{PAYMENT}/{name}")["metadata"]["uid"])
    with dial(at, SERVICE_API, 443) as connection:
        while time.monotonic() < end:
            took.append(ask(connection))
            time.sleep(0.05)
    return max(took)


def ended(made: Injection) -> Any:
    """See an injection to its deadline, and return its one target, whose figure a busy machine may have missed."""
    made.wait()
    made.finish()
    [course] = made.courses
    assert made.healed, course.after
    assert course.ended_how == "deadline"
    assert course.achieved
    assert (course.achieved.sight is Sight.PRESENT) == (not course.errors), course.errors
    assert course.achieved.evidence["achieved"] > 0.15, course.achieved.detail
    assert left() == [] or until("nothing of ours", lambda: not left())
    return course


def test_pods_that_are_meant_wait_and_their_neighbours_do_not(nothing_left: None) -> None:
    with pod("slow", "resolvers", "slow", "worker-02"), pod("quick", "resolvers", "quick", "worker-02"):
        made = injected("api-latency", namespace="payment", selector="app=slow", **LONG)
        try:
            assert slowest("slow", 8) > 1.5
            assert slowest("quick", 8) < 1.5
        finally:
            healed(made)
        assert made.healed
        assert made.hits
        assert slowest("slow", 1) < 1.5


def test_quantile_of_a_service_that_asks_the_api_server_is_in_the_record(nothing_left: None) -> None:
    made = injected(
        "api-latency",
        namespace="ledger",
        selector="app=payment-ledger",
        replicas="all",
        latency="300ms",
        percentile=50,
        duration="20s",
    )
    course = ended(made)
    assert course.hits, "payments met it"
    assert course.achieved.evidence["server"] == "https://10.96.0.1:443"
    assert course.achieved.evidence["requests"]["number"] > 100
    assert ":6443; what chaosctl itself asks of it is let pass" in made.account()["notes"][1]


def test_node_waits_and_stays_ready(kube: Kube, nothing_left: None) -> None:
    """Its kubelet asks the API server itself; one and the other pass by nft's set on the node."""
    made = injected("api-latency", node="worker-03", latency="300ms", percentile=50, duration="25s")
    renewed = lease()
    course = ended(made)
    assert course.hits, "its kubelet met it"
    assert course.achieved.evidence["server"].endswith(":6443")
    assert lease() > renewed
    assert ready(here().get("/api/v1/nodes/worker-03"))
    assert "its lease bears 40s of that" in made.account()["notes"][2]


def lease() -> str:
    """Return when the node's heartbeat came last."""
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/worker-03"
    return str(here().get(path)["spec"]["renewTime"])


def test_with_the_runner_dead_the_kernel_ends_it(nothing_left: None, tmp_path: Path) -> None:
    fault_id = killed((*LINE, "--latency=1s", "--percentile=50", "--duration=45s"))
    assert known(tmp_path, fault_id)["state"] == "live"
    until("its end", lambda: known(tmp_path, fault_id)["state"] != "live", 120)
    assert time.time() >= known(tmp_path, fault_id)["deadline"] - 0.1
    recovered(tmp_path, fault_id)


def known(tmp_path: Path, fault_id: str) -> Any:
    """Return what another machine knows of a fault; the node pods that the runner left are listed besides."""
    return next(each for each in elsewhere(tmp_path, "faults") if each["id"] == fault_id)


def test_exit_codes_say_what_kept_it_from_being_had(nothing_left: None) -> None:
    quick = "--latency=300ms", "--percentile=50", "--duration=30s"
    nobody = chaosctl("inject", "api-latency", "--namespace=payment", "--selector=app=nobody", *quick)
    assert (nobody.code, "No running pod matches" in nobody.err) == (3, True), nobody.err
    silent = chaosctl(*LINE, "--latency=4s", "--duration=60s")
    assert (silent.code, "Clients that elect a leader" in silent.err) == (5, True), silent.err
    short = chaosctl(*LINE, "--latency=800ms", "--percentile=95", "--duration=30s")
    assert (short.code, "is too short for 800ms" in short.err) == (2, True), short.err
    carried = chaosctl("inject", "api-latency", "--node=control-plane", *quick)
    assert (carried.code, "carries the control plane" in carried.err) == (5, True), carried.err


def test_where_etcd_is_out_of_reach_it_is_offered_and_not_put_in_its_place(
    nothing_left: None, kube: Kube, tmp_path: Path
) -> None:
    """So it is on a managed cluster: an environment that names no etcd."""
    document = yaml.safe_load(kube.configuration.read_text())
    (environment,) = document["environments"].values()
    del environment["etcd"]
    own = {"CHAOSCTL_CONFIG": str(tmp_path / "chaosctl.yaml")}
    Path(own["CHAOSCTL_CONFIG"]).write_text(yaml.safe_dump(document))
    for whom in ([], ["--node=worker-03"]):
        done = chaosctl("inject", "etcd-latency", "--latency=2500ms", "--percentile=99", *whom, **own)
        assert done.code == 2, done.err
        assert "api-latency needs none, and is a fault of its own: chaosctl inject api-latency" in done.err
    findings = json.loads(chaosctl("doctor", "--output=json", **own).out)
    [found] = [each for each in findings if each["what"].startswith("fault etcd-latency in ")]
    assert found["told"].startswith("etcd-latency cannot be had in this environment")
    assert "chaosctl inject api-latency" in found["fix"]
    assert left() == []


def test_every_request_is_late_where_the_nodes_have_netem_and_else_it_is_refused(nothing_left: None) -> None:
    with pod("late", "resolvers", "late"):
        try:
            made = injected("api-latency", namespace="payment", selector="app=late", latency="300ms", duration="60s")
        except Missing as error:
            assert "its kernel has no " in error.message  # noqa: PT017 - one of two ends
            assert "--percentile=99" in error.fix  # noqa: PT017
        else:
            assert healed(made).healed


def test_payments_go_on_while_the_api_server_is_slow_for_them(nothing_left: None) -> None:
    """Proven by requests of our own from the service's own network; nobody else is slowed."""
    done = chaos_run(EXPERIMENTS / "api-latency.yaml", 280.0, latency="300ms", percentile="90", lasting="35s")
    [target] = proven(done) if done.code in (0, 1) else too_slow(done)
    assert "/ledger/payment-ledger-" in target["target"]
    assert target["hits"] > 0
    [achieved] = [look for look in target["looks"] if "achieved" in look["evidence"]]
    assert achieved["evidence"]["requests"]["p99"] > 0.2, achieved["detail"]
    assert achieved["evidence"]["server"].startswith("https://10.96.0.1:")
