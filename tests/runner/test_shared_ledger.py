"""Which node pods count as left behind; a stand-in says what is in the cluster (see tests/kubernetes)."""

import json
from typing import Any

import pytest

from runner import ledger, shared_ledger
from runner.config import Chosen, Environment, Kubernetes
from runner.entry import Entry, Site, written
from runner.errors import CommandFailed
from runner.listing import Listing
from runner.model import State, Steps, clock

_CHOSEN = Chosen(name="lab", environment=Environment(kind="lab", kubernetes=Kubernetes(context="lab", uid="u")))
_SESSION = "cc44dd55"


class Told:
    """Stands in for a cluster with one node pod on worker-03, which is said to run and not to be ready."""

    environment, node = "lab", True
    pinned = _CHOSEN.environment.kubernetes

    def __init__(self, phase: str, deadline: float) -> None:
        site = Site("node:lab/worker-03", "boot:b node:n", Steps((), (), ()))
        entry = Entry("aa22bb33", "node-heartbeat-loss", "x", "lab", "ada@there pid 7", 0.0, deadline, (site,))
        meta = {"name": f"chaosctl-{_SESSION}-worker-03", "uid": "p", "labels": {"chaosctl/session": _SESSION}}
        self.deleted: list[str] = []
        self.faults: list[dict[str, Any]] = [
            {"metadata": {"name": "fault-aa22bb33"}, "data": {"entry": json.dumps(written(entry))}}
        ]
        self._sessions = [{"metadata": {"name": f"session-{_SESSION}"}, "data": {"owner": entry.owner}}]
        self.pods: list[dict[str, Any]] = [
            {"metadata": meta, "spec": {"nodeName": "worker-03"}, "status": {"phase": phase}}
        ]

    def items(self, path: str, labelSelector: str) -> Listing:  # noqa: N803 - as the API has it
        found = self.faults if labelSelector.endswith("=fault") else self._sessions
        return Listing(self.pods if path.endswith("/pods") else found, "1")

    def find(self, path: str) -> dict[str, Any] | None:
        if "/nodes/" in path:
            return {"metadata": {"uid": "n"}, "status": {"nodeInfo": {"bootID": "b"}}} if self.node else None
        return next(iter(self.pods), None) if "/pods/" in path else None

    def request(self, verb: str, path: str, _body: Any) -> dict[str, Any]:
        if verb == "DELETE":
            self.deleted.append(path)
            self.pods.clear()
        elif not self.pods:
            raise CommandFailed("the cluster", (verb, path), 404, "not found")
        return dict(*self.pods)

    def delete(self, path: str) -> None:
        """The ledger's own object goes."""
        assert path.endswith(f"/configmaps/fault-{_SESSION}")


@pytest.mark.parametrize(
    ("phase", "left", "behind"),
    [("Running", 60.0, False), ("Running", -5.0, False), ("Running", -120.0, True), ("Succeeded", 60.0, True)],
)
def test_pod_that_the_fault_itself_keeps_from_being_ready_is_not_left_behind(
    phase: str, left: float, behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runner would count as gone, and `recover --all` of anybody would undo what goes on."""
    monkeypatch.setattr(shared_ledger, "cluster", lambda *_: Told(phase, clock() + left))
    assert bool(shared_ledger.leftovers(_CHOSEN, shared_ledger.entries(_CHOSEN))) is behind


def test_pod_of_a_node_that_was_deleted_is_told_as_gone_and_can_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster keeps it for minutes, and all that `faults` has to say was kept back as long."""
    made = Told("Running", clock() - 120)
    made.node = False
    for place in ("runner.shared_ledger", "runner.targets.object"):
        monkeypatch.setattr(f"{place}.cluster", lambda *_: made)
    [entry] = shared_ledger.leftovers(_CHOSEN, shared_ledger.entries(_CHOSEN))
    assert entry.sentence.endswith("node worker-03 is gone, and what ran there with it")
    [site] = entry.sites
    assert site.target == f"object:lab/pod/chaosctl/chaosctl-{_SESSION}-worker-03"
    assert ledger.state(site) is State.INERT
    ledger.undo(entry)
    assert ledger.state(site) is State.ABSENT
    assert shared_ledger.leftovers(_CHOSEN, shared_ledger.entries(_CHOSEN)) == ()


def test_forged_node_pod_has_nothing_removed_but_itself_and_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could be named ../../default/configmaps/x."""
    made = Told("Succeeded", clock())
    made.pods[0]["metadata"]["ownerReferences"] = [{"name": "../../default/configmaps/x"}]
    for place in ("runner.shared_ledger", "runner.targets.node"):
        monkeypatch.setattr(f"{place}.cluster", lambda *_: made)
    [entry] = shared_ledger.leftovers(_CHOSEN, shared_ledger.entries(_CHOSEN))
    ledger.undo(entry)
    space = "/api/v1/namespaces/chaosctl"
    assert made.deleted == [
        f"{space}/pods/chaosctl-{_SESSION}-worker-03",
        f"{space}/configmaps/session-{_SESSION}",
    ]


@pytest.mark.parametrize("session", ["", "default", None])
def test_node_pod_of_no_session_is_left_to_people(session: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an empty one, all ConfigMaps of the namespace were deleted."""
    made = Told("Succeeded", clock())
    made.pods[0]["metadata"]["labels"] = {} if session is None else {"chaosctl/session": session}
    monkeypatch.setattr(shared_ledger, "cluster", lambda *_: made)
    assert shared_ledger.leftovers(_CHOSEN, ()) == ()
    [doubt] = shared_ledger.doubtful(_CHOSEN).values()
    assert f"kubectl -n chaosctl delete pod chaosctl-{_SESSION}-worker-03" in doubt.fix


def test_node_pod_that_never_came_to_a_node_can_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Told("Failed", clock())
    del made.pods[0]["spec"]["nodeName"]
    for place in ("runner.shared_ledger", "runner.targets.object"):
        monkeypatch.setattr(f"{place}.cluster", lambda *_: made)
    [entry] = shared_ledger.leftovers(_CHOSEN, ())
    assert entry.sites[0].target.startswith("object:lab/pod/")
    ledger.undo(entry)
    assert not made.pods


@pytest.mark.parametrize("data", [None, {}, {"entry": "{"}, {"entry": '{"sites": []}'}])
def test_entry_that_is_none_keeps_nobody_from_the_others(
    data: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Told("Running", clock())
    made.faults.append({"metadata": {"name": "fault-mesh"}, "data": data})
    monkeypatch.setattr(shared_ledger, "cluster", lambda *_: made)
    assert [entry.id for entry in shared_ledger.entries(_CHOSEN)] == ["aa22bb33"]
    [(known, doubt)] = shared_ledger.doubtful(_CHOSEN).items()
    assert known == "mesh"
    assert "is not obeyed: it is no entry of this version" in doubt.message
    assert "kubectl -n chaosctl delete configmap fault-mesh" in doubt.fix


def test_cluster_is_told_of_its_own_targets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site("node:lab/worker-03", "boot:b node:n", Steps((), (), ()))
    here = Site("netns:lab-payment", "net:1", Steps((), (), ()))
    entry = Entry("aa22bb33", "network-dns", "x", "lab", "ada@there pid 7", 0.0, 1.0, (site, here))
    assert shared_ledger._within(entry, "lab").sites == (site,)
    assert shared_ledger._within(entry, "other").sites == ()
