"""The agent as a node pod runs it: real processes, real namespaces, real pipes; only the kubelet is played."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from runner import tables
from runner.errors import CommandFailed, Inconclusive, Missing, Unreachable
from runner.model import Look, Sight, clock
from runner.remote import messages
from runner.targets.netns import Netns
from tests._agent import agent, pod
from tests._network import SERVER_V4, Network


def run(*argv: str, stdin: str = "", alone: bool = False) -> dict[str, Any]:
    return {"argv": argv, "stdin": stdin, "timeout": 10.0, "alone": alone}


def test_pod_is_found_by_its_uid_and_entered(namespace: Netns, tmp_path: Path) -> None:
    with agent() as (connection, _), pod(namespace.namespace, tmp_path) as uid:
        links = connection.call("run", name="pod", uid=uid, **run("ip", "-brief", "link"))
        assert (
            links
            == subprocess.run(
                ["ip", "-n", namespace.namespace, "-brief", "link"], capture_output=True, text=True, check=True
            ).stdout
        )
        assert connection.call("identity", name="pod", uid=uid) == f"{namespace.identity()} pod:{uid}"
        assert connection.call("resolver", name="pod", uid=uid)["nameservers"] == ["10.9.9.9"]
        assert connection.call("identity", name="node") != connection.call("identity", name="pod", uid=uid)


def test_pods_that_are_asked_for_at_once_are_each_found(namespaces: Callable[[], Netns], tmp_path: Path) -> None:
    with agent() as (connection, _), ExitStack() as there, ThreadPoolExecutor() as pool:
        networks = [namespaces() for _ in range(4)]
        places = [tmp_path / at.namespace for at in networks]
        for place in places:
            place.mkdir()
        uids = [there.enter_context(pod(at.namespace, place)) for at, place in zip(networks, places, strict=True)]
        found = pool.map(lambda uid: connection.call("identity", name=uid, uid=uid), uids * 3)
        assert list(found) == [f"{at.identity()} pod:{uid}" for at, uid in zip(networks, uids, strict=True)] * 3


def test_pod_that_ended_is_unreachable(namespace: Netns, tmp_path: Path) -> None:
    with agent() as (connection, _):
        with pod(namespace.namespace, tmp_path) as uid:
            connection.call("identity", name="pod", uid=uid)
        with pytest.raises(Unreachable, match="No process of it runs"):
            connection.call("identity", name="it", uid=uid)


def test_errors_keep_their_kind_across(namespace: Netns) -> None:
    with agent() as (connection, _):
        with pytest.raises(CommandFailed) as failed:
            connection.call("run", name="node", **run("sh", "-c", "echo broken >&2; exit 9"))
        assert (failed.value.status, failed.value.stderr) == (9, "broken\n")
        with pytest.raises(Missing, match="`no-such-tool` is not installed at node"):
            connection.call("run", name="node", **run("no-such-tool"))


def test_probe_looks_from_inside_the_pod(net: Network, tmp_path: Path) -> None:
    """The same probe that proves network-dns here proves it there."""
    names = ["redis-cluster.payment.svc.cluster.local"]
    with (
        agent() as (connection, _),
        pod(net.client.namespace, tmp_path, f"nameserver {SERVER_V4}\n") as uid,
    ):
        arguments = {"names": names, "mode": "timeout"}
        seen = connection.call(
            "look", name="pod", uid=uid, function="probes.dns:look", before=None, arguments=arguments
        )
        look = messages.look_from(seen)
        assert look
        assert look.sight is Sight.ABSENT, look.detail
        again = connection.call(
            "look", name="pod", uid=uid, function="probes.dns:look", before=seen, arguments=arguments
        )
        assert messages.look_from(again).sight is Sight.ABSENT  # type: ignore[union-attr]


def test_names_are_resolved_inside_the_pod(net: Network, tmp_path: Path) -> None:
    with agent() as (connection, _), pod(net.client.namespace, tmp_path, f"nameserver {SERVER_V4}\n") as uid:

        def found(name: str) -> Any:
            asked = {"name": name}
            return connection.call(
                "look", name="pod", uid=uid, function="probes.dns:addresses", before=None, arguments=asked
            )["evidence"]["addresses"]

        assert found("redis-cluster.payment.svc.cluster.local") == ["10.0.0.1", "fd00::1"]
        with pytest.raises(Inconclusive, match="no address at pod"):
            found("nobody.payment.svc.cluster.local")


def test_only_probes_can_be_asked_to_look() -> None:
    with agent() as (connection, _), pytest.raises(Exception, match="subprocess is no probe"):
        connection.call("look", name="node", function="subprocess:run", before=None, arguments={})


def test_agent_ends_with_its_connection_and_lets_what_is_under_way_end(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with agent() as (connection, process):
        argv = ["sh", "-c", f"sleep 0.5; touch {done}"]
        threading.Thread(target=lambda: _quietly(lambda: connection.call("run", name="node", **run(*argv)))).start()
        time.sleep(0.1)
        connection.close()
        assert process.wait(10) == 0
    assert done.exists()


def test_command_of_a_killed_agent_holds_its_target(namespace: Netns, tmp_path: Path) -> None:
    """Whoever comes after a killed runner waits for what it left running, and only then looks and undoes."""
    late = f"sleep 1; nft add table inet {tables.table('late')}"
    with pod(namespace.namespace, tmp_path) as uid:
        with agent() as (connection, process):
            argv = ["sh", "-c", late]
            threading.Thread(
                target=lambda: _quietly(lambda: connection.call("run", name="p", uid=uid, **run(*argv, alone=True)))
            ).start()
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
        with agent() as (connection, _):
            undo = tables.undo("late")
            connection.call("run", 30.0, name="p", uid=uid, **run(*undo.argv, stdin=undo.stdin, alone=True))
            assert tables.table("late") not in connection.call("run", name="p", uid=uid, **run("nft", "list", "tables"))
            time.sleep(1.2)
            assert tables.table("late") not in connection.call("run", name="p", uid=uid, **run("nft", "list", "tables"))


def test_requests_are_worked_on_at_the_same_time() -> None:
    with agent() as (connection, _):
        barrier = threading.Barrier(8)
        path = f"/tmp/chaosctl-{os.getpid()}-meet"  # noqa: S108 - a name to meet at, made and removed here
        meet = (
            f"mkdir -p {path}; touch {path}/$1; "
            f"for i in $(seq 200); do [ $(ls {path} | wc -l) -ge 8 ] && exit 0; sleep 0.05; done; exit 1"
        )

        def ask(number: int) -> None:
            barrier.wait()
            connection.call("run", name="node", **run("sh", "-c", meet, "sh", str(number)))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        connection.call("run", name="node", **run("rm", "-r", path))


def test_times_are_brought_to_our_clock() -> None:
    look = Look(100.0, 101.0, Sight.ABSENT, "seen")
    assert messages.look_from(messages.look_to(look, 5.0), 5.0) == look
    with agent() as (connection, _):
        assert abs(connection.ahead) < 1.0
        assert abs(connection.call("hello") - clock()) < 10


def test_lost_connection_is_told_to_all_who_wait() -> None:
    with agent() as (connection, process):
        threading.Timer(0.3, process.kill).start()
        with pytest.raises(Unreachable, match="connection to the agent is lost"):
            connection.call("run", name="node", **run("sleep", "20"))
        assert not connection.open


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except Unreachable:
        return
