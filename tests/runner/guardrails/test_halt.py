"""The global halt, as its file."""

from pathlib import Path

import pytest

from runner.config import Chosen, Environment, Kubernetes
from runner.errors import Refused
from runner.guardrails import enforce, halt
from tests._api_server import cluster


def test_halt_holds_until_it_is_lifted(state: Path) -> None:
    assert halt.declared() is None
    assert halt.HaltGuard().look() is None
    called = halt.declare("the shop is down")
    assert halt.declared() == called
    [ruling] = halt.rule()
    assert not ruling.allowed
    assert "called a halt at 20" in ruling.reason
    assert "the shop is down. Nothing is injected until it is lifted." in ruling.reason
    stopped = halt.HaltGuard().look()
    assert stopped
    assert (stopped.exit_code, "healed at once" in stopped.message) == (5, True)
    assert halt.lift() == called
    assert halt.lift() is None
    assert enforce(halt.rule())[0].allowed


def test_file_that_cannot_be_read_is_a_halt_all_the_same(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "halt.json").write_text("{")
    assert halt.HaltGuard().look()
    [ruling] = halt.rule()
    assert isinstance(ruling.error(), Refused)
    assert f"{state}/halt.json cannot be read" in ruling.reason
    assert halt.lift()
    assert halt.declared() is None


@pytest.mark.parametrize("status", [403, 429, 500, 504])
def test_api_server_that_does_not_say_whether_a_halt_was_called_is_none(tmp_path: Path, status: int) -> None:
    """A slow etcd, which faults make, has it answer so now and then: no run is aborted by that."""
    with cluster(tmp_path, "uid") as server:
        pinned = Kubernetes(context="payment", uid="uid", kubeconfig=server.kubeconfig)
        _, guard = halt.guards(Chosen(name=f"lab-{status}", environment=Environment(kind="lab", kubernetes=pinned)))
        assert guard.look() is None
        server.status = status
        assert guard.look() is None
