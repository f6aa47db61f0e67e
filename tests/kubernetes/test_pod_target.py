"""When a pod counts as gone: when its node or the cluster says so, and never because nobody answers."""

import threading
from typing import Any

import pytest

from runner.errors import Gone, Unreachable
from runner.model import Command
from runner.remote import nodes
from runner.targets import is_same, reach
from tests._kubernetes import PAYMENT, here, left, pod, until

_SLEEP = Command(("sleep", "30"))


def test_pod_on_its_way_out_is_not_gone_while_its_node_does_not_answer(kube: Any) -> None:
    """Its processes have a minute of grace, and a fault in it is as live as before."""
    with pod("lingers", "resolvers", "lingers", terminationGracePeriodSeconds=60):
        at: Any = reach("pod:payment/lingers")
        identity = at.identity()
        assert identity.split()[-1] == at.known()
        here().delete(f"{PAYMENT}/lingers")
        assert "deletionTimestamp" in here().get(f"{PAYMENT}/lingers")["metadata"]
        threading.Timer(1.0, at.agent().close).start()
        with pytest.raises(Unreachable, match="connection to the node pod") as lost:
            at.run(_SLEEP)
        assert not isinstance(lost.value, Gone)
        assert is_same(at, identity)
        assert is_same(at, at.known())
    nodes.release()
    assert until("nothing of ours", lambda: not left())


def test_node_pod_whose_node_never_starts_it_is_given_up(kube: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kubelet, no news of it: the end of waiting must not wait for news."""
    monkeypatch.setattr(nodes, "_START", 1.0)
    with pytest.raises(Unreachable, match="did not start within 1 s"):
        nodes.agent(here(), "worker-99")
    nodes.release()
    assert until("nothing of ours", lambda: not left())
