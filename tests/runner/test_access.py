"""Whoever is granted a file of deploy/rbac may do what it says, and nothing of what the others say."""

import json
from pathlib import Path

import pytest

from runner.access import CAPABILITIES, grants
from runner.cluster import cluster
from runner.config import current
from runner.guardrails.opted_in import LABEL
from tests._cli import Speaker
from tests._kube import Kube, as_member

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
    by_container = findings["access ephemeral-faults in payment"]["told"]
    assert "network-dns" in by_container
    assert "network-delay" not in by_container, "it needs more than NET_ADMIN"


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
