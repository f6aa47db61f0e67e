"""What is told of pods that each look would mark for good; a stand-in says what is in the cluster."""

from collections.abc import Iterator
from typing import Any

import pytest

from runner import ledger, reading
from runner.config import Kubernetes
from runner.entry import Entry, Site
from runner.errors import Refused, Residue
from runner.guardrails import sweep
from runner.holding import undoing
from runner.model import State, Steps, clock
from runner.remote import ephemeral
from runner.remote.pods import ephemeral as container
from runner.targets import reach
from runner.targets.ephemeral import EphemeralTarget
from tests._cli import Speaker

TARGET = "ephemeral:lab/payment/asks"


class Told:
    """Stands in for a cluster with one pod, or none, and counts the containers that are added to it."""

    environment = "lab"
    pinned = Kubernetes(context="lab", uid="u")

    def __init__(self) -> None:
        self.pod: dict[str, Any] | None = {
            "metadata": {"namespace": "payment", "name": "asks", "uid": "p"},
            "spec": {"nodeName": "worker-01", "ephemeralContainers": []},
            "status": {"phase": "Running"},
        }

    def find(self, path: str) -> dict[str, Any] | None:
        return self.pod if path.endswith("/pods/asks") else None

    def request(self, _verb: str, _path: str, change: dict[str, Any], _kind: str) -> dict[str, Any]:
        assert self.pod
        self.pod["spec"]["ephemeralContainers"] += change["spec"]["ephemeralContainers"]
        return self.pod

    def attach(self, *_: str) -> None:
        """Nobody is spoken to."""

    @property
    def added(self) -> int:
        return len(self.pod["spec"]["ephemeralContainers"]) if self.pod else 0


class Agent:
    """Stands in for the agent in the pod: it answers every command with nothing."""

    open = True

    def __init__(self, *_: Any) -> None:
        """It is there at once."""

    def call(self, do: str, *_: Any, **__: Any) -> str:
        return "boot:b net:n" if do == "identity" else ""

    def close(self) -> None:
        self.open = False


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    made = Told()
    monkeypatch.setattr("runner.targets.ephemeral.cluster", lambda *_: made)
    monkeypatch.setattr("runner.targets.pod._SEEN", {})
    monkeypatch.setattr("runner.remote.nodes.started", lambda *_: None)
    monkeypatch.setattr(ephemeral, "Connection", Agent)
    yield made
    ephemeral.release()


def entry(left: float) -> Entry:
    site = Site(TARGET, "boot:b net:n pod:p", Steps((), (), ()))
    return Entry("aa22bb33", "network-dns", "x", "", "ada@there pid 7", 1.0, clock() + left, (site,))


@pytest.mark.parametrize(
    ("left", "state", "word"), [(60.0, State.LIVE, "live until 2"), (-60.0, State.INERT, "its deadline was 2")]
)
def test_pod_is_not_entered_to_be_looked_at(told: Told, left: float, state: State, word: str) -> None:
    made = entry(left)
    found, why = reading.read(made, made.sites[0])
    assert found is state
    assert why.startswith(word)
    assert "not looked at: that would add a container" in why
    assert told.added == 0


@pytest.mark.parametrize("phase", ["", "Failed"])
def test_pod_that_is_gone_took_the_fault_along(told: Told, phase: str) -> None:
    if phase:
        assert told.pod
        told.pod["status"]["phase"] = phase
    else:
        told.pod = None
    made = entry(60.0)
    assert reading.read(made, made.sites[0]) == (State.ABSENT, "")


def test_container_that_works_already_is_looked_through(told: Told) -> None:
    EphemeralTarget(told, "payment", "asks").identity()  # type: ignore[arg-type]
    made = entry(60.0)
    assert reading.read(made, made.sites[0]) == (State.ABSENT, ""), "as it answers, not as the ledger says"
    assert told.added == 1


def test_faults_says_that_nobody_looked(told: Told, say: Speaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.residue.everything", lambda *_, **__: (entry(60.0),))
    said = say("faults")
    assert said.code == 0
    assert "aa22bb33  live" in said.out
    assert f"{TARGET}: live until" in said.out
    assert told.added == 0


def test_sweep_before_another_fault_adds_none(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ledger.entries", lambda: (entry(60.0),))
    monkeypatch.setattr("runner.guardrails.sweep._goes_on", lambda _: False)
    targets = {"boot:b net:n pod:p": reach("local")}
    [ruling] = [each for each in sweep.before(targets, "", (), entered=False) if not each.allowed]
    assert f"is still live at {TARGET}" in ruling.reason
    assert told.added == 0


def test_last_container_is_kept_for_undoing(told: Told) -> None:
    assert told.pod
    told.pod["spec"]["ephemeralContainers"] = [container(str(n), "i") for n in range(ephemeral.MOST - 1)]
    at = EphemeralTarget(told, "payment", "asks")  # type: ignore[arg-type]
    with pytest.raises(Refused, match=r"has 4 ephemeral containers.*Of 5 that it may come to have, the last is kept"):
        at.identity()
    with undoing():
        assert at.identity() == "boot:b net:n pod:p"
    ephemeral.release()
    with undoing(), pytest.raises(Refused, match="has 5 ephemeral containers"):
        at.identity()


def test_recover_has_it_and_a_pod_with_too_many_is_not_gone(told: Told) -> None:
    assert told.pod
    told.pod["spec"]["ephemeralContainers"] = [container(str(n), "i") for n in range(ephemeral.MOST - 1)]
    made = entry(60.0)
    with pytest.raises(Residue, match="asks is not gone"):
        ledger.give_up(made)
    assert ledger._undone(made.sites[0], 0) == ""
    assert told.added == ephemeral.MOST
