"""etcd-latency on a real etcd, with a load that is not the one it measures by."""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions import _tc
from actions._stalls import Stalls
from actions._windows import Windows, quantile
from actions.etcd_latency import EtcdLatency
from runner.config import Environment
from runner.errors import Aborted, CommandFailed, Inconclusive, Missing, Refused, UsageError
from runner.model import Command, Look, Sight, clock, parse_duration
from runner.parameters import build
from runner.plan import plan
from runner.targets.netns import Netns
from tests._alone import seeing
from tests._cli import CHAOSCTL
from tests._etcd import Etcd, etcd
from tests._inject import healed, injected, injection
from tests._scratch import left

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
USERS_LINE = {"latency": "2500ms", "percentile": 99}
LATE = 0.1


@pytest.fixture(scope="module")
def wired() -> Iterator[Etcd]:
    with etcd() as made:
        yield made


def held(made: Etcd, fault_id: str) -> str:
    """Return the windows that are open."""
    listing = made.client.run(Command(("nft", "list", "set", "inet", f"chaos_{fault_id}", "held")))
    return "".join(re.findall(r"elements = .*", listing))


@pytest.mark.timeout(240)
def test_quantile_becomes_the_latency_over_lo_and_over_a_wire_with_tls(no_leaks: None) -> None:
    """How exactly is for the benchmark to say, because a busy machine adds its own."""
    with etcd(wire=False) as near, etcd(tls=True) as far, near.load(50) as one, far.load(50) as other:
        asked = {"latency": "500ms", "percentile": 90, "duration": "53s"}
        faults = [injected("etcd-latency", **asked, **made.arguments) for made in (near, far)]
        for fault in faults:
            fault.wait()
            fault.finish()
        assert [made.ctl("get", "--prefix", "/chaosctl/", "--keys-only") for made in (near, far)] == ["", ""]
    for fault, load in zip(faults, (one, other), strict=True):
        [course] = fault.courses
        assert course.achieved
        assert course.committed
        assert course.deadline
        writes, reads = (load.took(course.committed, course.deadline, kind) for kind in (False, True))
        own, shown = course.achieved.evidence, course.achieved.detail
        assert min(own["achieved"], quantile(writes, 0.93)) >= 0.25, shown
        assert quantile(writes, 0.1) < 0.25, "four in five are not held back"
        assert quantile(reads, 0.97) > 0.2, "reads wait as well"
        assert own["reads"]["p99"] > 0.2
        assert (course.achieved.sight is Sight.PRESENT) == (abs(own["achieved"] - 0.5) <= 0.05) == (not course.errors)
        assert course.hits
        assert course.ended_how == "deadline"
        assert "window, which is nearer to a percentile than netem" in fault.account()["notes"][0]


def test_another_load_than_the_writers_is_counted(no_leaks: None, wired: Etcd) -> None:
    alone = injected("etcd-latency", latency="300ms", percentile=50, duration="60s", **wired.arguments)
    assert healed(alone).hits == 0, "our own writer is no workload"
    assert left(wired.client) == []


def test_fault_that_holds_nothing_back_is_not_proven(
    no_leaks: None, wired: Etcd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The windows open, and the rule does not drop."""
    rules = Stalls.rules
    monkeypatch.setattr(Stalls, "rules", lambda self, s: (line for line in rules(self, s) if line != "drop"))
    made = injection("etcd-latency", latency="2s", percentile=50, duration="90s", **wired.arguments)
    try:
        with pytest.raises(Inconclusive, match="did not show"):
            made.start()
    finally:
        healed(made)


@pytest.mark.timeout(180)
def test_quantile_that_was_missed_is_not_proven(no_leaks: None, wired: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is cut, and the windows are too long."""
    monkeypatch.setattr(Windows, "corrected", lambda *_: 0.2)
    monkeypatch.setattr(Windows, "owed", lambda *_: 0.0)
    made = injected("etcd-latency", latency="300ms", percentile=50, duration="13s", **wired.arguments)
    made.wait()
    made.finish()
    assert "did not come to what was asked for: P50 of writes" in made.courses[0].account()["error"]


def test_stopped_at_any_time_it_is_gone_at_once(no_leaks: None, wired: Etcd) -> None:
    made = injected("etcd-latency", latency="2500ms", percentile=99, duration="5m", **wired.arguments)
    assert held(wired, made.id)
    begun = clock()
    made.stop.set()
    made.finish()
    assert left(wired.client) == []
    assert made.courses[0].ended
    assert made.courses[0].ended - begun < 10
    assert made.healed
    stopped = injection("etcd-latency", latency="2500ms", percentile=99, duration="5m", **wired.arguments)
    stopped.stop.set()
    with pytest.raises(Aborted):
        stopped.start()


@pytest.mark.parametrize("step", ["before", "armed", "effective"])
def test_killed_it_pulses_no_more_and_ends_in_time(no_leaks: None, wired: Etcd, tmp_path: Path, step: str) -> None:
    """No window is opened by the dead; the one that is open ends by itself; the whole has its deadline."""
    named = [f"--{name.replace('_', '-')}={value}" for name, value in wired.arguments.items() if name != "where"]
    argv = [CHAOSCTL, "inject", "etcd-latency", f"--on={wired.client.name}", *named]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with subprocess.Popen(
        [*argv, "--latency=1s", "--percentile=50", "--duration=42s"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0, env=environment,
    ) as run:  # fmt: skip
        assert run.stdout
        told = ""
        while step not in told:
            line = run.stdout.readline()
            assert line, told
            told += line
        os.killpg(run.pid, signal.SIGKILL)
        dead = clock()
    fault_id = told.split()[1].rstrip(":")
    wait_until(dead + 3.4)
    if left(wired.client):
        assert held(wired, fault_id) == "", "the window that was open has ended"
        wait_until(dead + 8)
        assert held(wired, fault_id) == "", "no other has come"
        armed = wired.client.run(Command(("nft", "list", "set", "inet", f"chaos_{fault_id}", "armed")))
        rest = re.search(r"expires (\w+)", armed)
        assert rest
        assert parse_duration(rest[1]) <= 42 - (clock() - dead) + LATE, "the kernel ends it in time"
    else:
        assert step == "before"
    seen = tmp_path / "seen"
    seen.mkdir()
    recover = [*seeing(seen, wired.client), CHAOSCTL, "recover", "--all"]
    recovered = subprocess.run(recover, capture_output=True, text=True, check=False, env=environment)
    assert recovered.returncode == 0, recovered.stderr
    assert left(wired.client) == []


def wait_until(moment: float) -> None:
    threading.Event().wait(max(0.0, moment - clock()))


def test_somebody_removing_it_ends_the_pulses(no_leaks: None, wired: Etcd) -> None:
    made = injected("etcd-latency", latency="300ms", percentile=50, duration="60s", **wired.arguments)
    wired.client.run(Command(("nft", "delete", "table", "inet", f"chaos_{made.id}")))
    made.wait()
    made.finish()
    [course] = made.courses
    assert course.ended_how == "early"
    assert left(wired.client) == []
    with pytest.raises(CommandFailed):
        held(wired, made.id)


def test_duration_is_long_enough_where_nobody_says_one() -> None:
    assert plan(EtcdLatency, {"where": "local", **USERS_LINE}).seconds == 300
    assert plan(EtcdLatency, {"where": "local", "latency": "50ms", "percentile": 50}).seconds == 90


def test_environment_knows_etcd_and_its_clients() -> None:
    environment = Environment.model_validate(
        {
            "kind": "lab",
            "hosts": {"api-0": {"reach": "netns:api-0"}},
            "etcd": {
                "endpoints": ["https://10.0.0.1:2379", "https://10.0.0.2:2379"],
                "clients": ["api-0"],
                "ca_file": "/ca",
            },
        }
    )
    made = build(EtcdLatency, USERS_LINE)
    assert made.home(environment) == "api-0"
    known = made.settled(environment)
    assert (known.endpoint, known.ca_file) == ("https://10.0.0.1:2379,https://10.0.0.2:2379", "/ca")
    assert build(EtcdLatency, {**USERS_LINE, "endpoint": "http://x:1"}).settled(environment).endpoint == "http://x:1"
    assert made.settled(None).endpoint == "http://127.0.0.1:2379"


def test_cluster_whose_etcd_nobody_named_has_none_and_is_offered_another_fault() -> None:
    """Never is one put in the other's place."""
    pinned = {"context": "managed", "uid": "1"}
    managed = Environment.model_validate({"kind": "preproduction", "kubernetes": pinned})
    with pytest.raises(UsageError, match="a managed cluster lets nobody at its own") as refused:
        build(EtcdLatency, USERS_LINE).settled(managed)
    assert refused.value.exit_code == 2
    assert "chaosctl inject api-latency --latency=800ms --percentile=95" in refused.value.fix
    named = build(EtcdLatency, {**USERS_LINE, "endpoint": "http://x:1"})
    assert named.settled(managed).endpoint == "http://x:1"
    own = managed.model_copy(update={"kubernetes": None})
    assert EtcdLatency.impossible(own) is None


def test_too_short_says_what_could_be_had() -> None:
    with pytest.raises(UsageError) as short:
        plan(EtcdLatency, {"where": "local", "duration": "60s", **USERS_LINE})
    assert "ten periods of 28.9s, 4m49s in all" in short.value.message
    assert "--duration=4m50s" in short.value.fix
    latency = re.search(r"--latency=(\d+ms) with --percentile=99", short.value.fix)
    assert latency
    plan(EtcdLatency, {"where": "local", "duration": "60s", "latency": latency[1], "percentile": 99})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"latency": "1s", "percentile": 12}, "is no percentile that can be had"),
        ({"latency": "1s", "percentile": "high"}, "is no percentile that can be had"),
        ({"latency": "1s", "engine": "window"}, "none was said"),
        ({"latency": "1s", "percentile": 99, "jitter": "10ms"}, "a percentile has none of it"),
        ({"latency": "1s", "jitter": "2s"}, "larger than --latency"),
        ({"latency": "1s", "correlation": "20%"}, "is about the jitter"),
        ({"latency": "6s", "duration": "18s"}, "does not show within 18s"),
        ({"latency": "1s", "percentile": 99, "endpoint": "http://10.0.0.1:2380"}, "never touches it"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan(EtcdLatency, {"where": "local", "duration": "10m", **arguments})


def test_silence_that_breaks_connections_is_refused_unless_forced() -> None:
    asked = {"where": "local", "duration": "20m", "latency": "8s", "percentile": 99}
    with pytest.raises(Refused, match="gives one up that gives no sign of life for 10s"):
        plan(EtcdLatency, asked)
    assert plan(EtcdLatency, {**asked, "force": True}).seconds == 1200


@pytest.mark.parametrize(
    ("evidence", "told"),
    [({"quorum": False}, "has no quorum"), ({"quorum": True, "peer_ports": [2379]}, "would lose their leader")],
)
def test_what_is_seen_before_may_forbid_it(evidence: dict[str, object], told: str) -> None:
    look = Look(0, 0, Sight.ABSENT, "", evidence)
    made = build(EtcdLatency, USERS_LINE).settled(None)
    with pytest.raises(Refused, match=told):
        made.heed(look)
    build(EtcdLatency, {**USERS_LINE, "force": True}).settled(None).heed(look)
    made.heed(Look(0, 0, Sight.ABSENT, "", {"quorum": True, "peer_ports": [2380]}))


def test_delaying_every_request_needs_netem(namespace: Netns, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in a way that no kernel knows."""
    monkeypatch.setattr(_tc, "delay", lambda *_: "nonesuch delay 100ms")
    made = build(EtcdLatency, {"latency": "100ms"}).settled(None)
    with pytest.raises(Missing, match="its kernel has no `nonesuch delay 100ms rate 100gbit`") as missing:
        made.steps(namespace, "scratch", 60)
    assert missing.value.fix.endswith("Or ask for a percentile, which windows make without netem: --percentile=99.")
