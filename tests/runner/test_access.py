"""Whoever is granted a file of deploy/rbac may do what it says, and nothing of what the others say."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.access import CAPABILITIES, Grant, grants
from runner.cluster import Cluster, cluster, forget
from runner.config import current
from runner.errors import Missing
from runner.guardrails.opted_in import LABEL
from tests._cli import Speaker
from tests._kube import Kube, as_member
from tests._kubernetes import OURS, PARAMETERS, renewed

_NEVER = (
    ("get", "", "secrets"),
    ("create", "", "pods"),
    ("delete", "", "pods"),
    ("update", "admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
)


@pytest.mark.parametrize(
    "granted", ["observe", "pod-faults", "ephemeral-faults", "workload-faults", "node-faults", "admission-faults"]
)
def test_a_group_may_do_what_its_file_grants_and_nothing_else(
    kube: Kube, granted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, f"chaosctl:{granted}", tmp_path, monkeypatch):
        found = {grant.capability: grant for grant in grants(cluster(current().name), LABEL)}
    assert set(found) == {capability.name for capability in CAPABILITIES}
    assert {name for name, grant in found.items() if not grant.lacking} == {"observe", granted}
    assert found["pod-faults"].where == " in payment"


def test_doctor_says_what_an_observer_lacks_and_which_file_grants_it(
    kube: Kube, say: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, "chaosctl:observe", tmp_path, monkeypatch):
        said = say("doctor", "--output", "json")
    findings = {finding["what"]: finding for finding in json.loads(said.out)}
    assert said.code == 4
    assert findings["access observe"]["ok"]
    lacking = findings["access node-faults"]
    assert not lacking["ok"]
    assert "create pods in chaosctl" in lacking["told"]
    assert "deploy/rbac/node-faults.yaml" in lacking["fix"]


def test_an_administrator_lacks_nothing_and_doctor_names_the_faults(kube: Kube, say: Speaker) -> None:
    findings = {finding["what"]: finding for finding in json.loads(say("doctor", "--output", "json").out)}
    assert findings["access node-faults"]["ok"]
    assert "network-dns" in findings["access node-faults"]["told"]
    assert findings["policy chaosctl-heartbeat-loss"]["ok"]
    by_container = findings["access ephemeral-faults in payment"]["told"]
    assert "network-dns" in by_container
    assert "network-delay" not in by_container, "it needs more than NET_ADMIN"


def test_without_opt_in_it_is_told_where_something_is_granted_and_where_nothing_is(
    kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with as_member(kube, "chaosctl:pod-faults", tmp_path, monkeypatch):
        found = {grant.capability: grant for grant in _without_opt_in()}
    assert (found["pod-faults"].where, found["pod-faults"].lacking) == (" in payment", [])
    assert found["workload-faults"].where == " in any namespace"
    assert "patch deployments" in [lack.told for lack in found["workload-faults"].lacking]
    forget()
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(kube.configuration))
    monkeypatch.setenv("CHAOSCTL_ENV", kube.lab.name)
    found = {grant.capability: grant for grant in _without_opt_in()}
    assert (found["workload-faults"].where, found["workload-faults"].lacking) == (" in all namespaces", [])


def _without_opt_in() -> list[Grant]:
    at = cluster(current().name)
    asked = Cluster(at.environment, at.pinned.model_copy(update={"opt_in": False}))
    return list(grants(asked, LABEL, ("kube-*",)))


def test_only_who_is_granted_admission_faults_silences_a_node(
    kube: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With rights to the ledger alone a parameter can be put there, and nowhere else; there it is none."""
    until = datetime.now(UTC) + timedelta(minutes=30)
    item = {
        "metadata": {"name": "forged", "labels": {"chaosctl/parameter": "heartbeat-loss"}},
        "data": {"node": "control-plane", "until": until.isoformat()},
    }
    with as_member(kube, "chaosctl:pod-faults", tmp_path, monkeypatch):
        at = cluster(current().name)
        with pytest.raises(Missing, match=r"is not allowed \(403\)"):
            at.create(PARAMETERS, item)
        at.create(f"{OURS}/configmaps", item)
        try:
            assert all(renewed(kube, "control-plane", until - timedelta(minutes=20)) for _ in range(5))
        finally:
            at.delete(f"{OURS}/configmaps/forged")


@pytest.mark.parametrize(
    ("who", "verb", "group", "resource", "namespace", "expected"),
    [
        ("chaosctl:workload-faults", "create", "batch", "jobs", "chaosctl-guardians", True),
        ("chaosctl:workload-faults", "create", "batch", "jobs", "chaosctl-node-guardians", False),
        ("chaosctl:node-faults", "create", "batch", "jobs", "chaosctl-guardians", False),
        ("system:serviceaccounts:chaosctl-guardians", "patch", "", "nodes", "", False),
        ("system:serviceaccounts:chaosctl-node-guardians", "patch", "", "nodes", "", True),
        ("system:serviceaccounts:chaosctl-node-guardians", "patch", "apps", "deployments", "payment", False),
    ],
)
def test_guardians_of_workloads_have_no_power_over_nodes(
    kube: Kube, who: str, verb: str, group: str, resource: str, namespace: str, expected: bool
) -> None:
    space = who.removeprefix("system:serviceaccounts:") if who.startswith("system:") else ""
    user = f"system:serviceaccount:{space}:chaosctl-guardian" if space else "anybody"
    attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    answer = cluster(current().name).create(
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        {**review, "spec": {"user": user, "groups": [who], "resourceAttributes": attributes}},
    )
    assert bool(answer["status"]["allowed"]) is expected


def test_nobody_may_read_secrets_or_change_admission_policies(kube: Kube) -> None:
    """Asked of the API server about each group, not read from the files."""
    at = cluster(current().name)
    for group in ("observe", "pod-faults", "ephemeral-faults", "workload-faults", "node-faults", "admission-faults"):
        for verb, api_group, resource in _NEVER:
            attributes = {"verb": verb, "group": api_group, "resource": resource, "namespace": "default"}
            who = {"user": "anybody", "groups": [f"chaosctl:{group}", "system:authenticated"]}
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
            answer = at.create(
                "/apis/authorization.k8s.io/v1/subjectaccessreviews",
                {**review, "spec": {**who, "resourceAttributes": attributes}},
            )
            assert not answer["status"]["allowed"], f"{group} may {verb} {resource}"
