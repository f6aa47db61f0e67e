"""What the files in deploy/rbac say, read without a cluster; tests/runner/test_access.py asks a real one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner import policy
from runner.access import CAPABILITIES, Right

_ROOT = Path(__file__).parent.parent.parent
_FILES = _ROOT / "deploy" / "rbac"
_FAULTS = sorted(path.stem for path in _FILES.glob("*-faults.yaml"))
_ACCOUNT = {"kind": "ServiceAccount", "name": "chaosctl", "namespace": "chaosctl"}


@pytest.mark.parametrize("granted", _FAULTS)
def test_who_is_granted_a_fault_may_write_the_ledger(granted: str) -> None:
    """A runner in the cluster too, whose service account may have been granted that file alone."""
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": f"chaosctl:{granted}"}
    for who in (group, _ACCOUNT):
        rules = [rule for rule in _rules(who, "observe", granted) if "configmaps" in rule.get("resources", ())]
        assert any("create" in rule["verbs"] for rule in rules), f"{who['name']} by {granted}.yaml"


@pytest.mark.parametrize("name", ["node-faults", "ephemeral-faults"])
def test_doctor_asks_for_both_verbs_by_which_a_container_is_attached_to(name: str) -> None:
    """A WebSocket begins with a GET, which servers before 1.35 let in by `get`, and later ones by `create`."""
    [capability] = [each for each in CAPABILITIES if each.name == name]
    asked = {right.verb for right in capability.rights if right.resource == "pods/attach"}
    assert asked == {"get", "create"}
    assert all(_is_granted(right, name) for right in capability.rights if right.resource == "pods/attach")


def test_nobody_writes_a_parameter_but_by_admission_faults() -> None:
    """Whoever writes one silences a node; the ledger's namespace, where all write, is not where they are read."""
    [binding] = [each for each in _objects("admission-faults") if each["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert binding["spec"]["paramRef"]["namespace"] == policy.PARAMETERS
    roles = {
        (file.stem, each["metadata"]["name"]): {verb for rule in each["rules"] for verb in rule["verbs"]}
        for file in _FILES.glob("*.yaml")
        for each in _objects(file.stem)
        if each["kind"] == "Role" and each["metadata"]["namespace"] == policy.PARAMETERS
    }
    written = {key for key, verbs in roles.items() if verbs != {"get"}}
    assert written == {("admission-faults", "chaosctl:parameters")}
    group = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "chaosctl:admission-faults"}
    [bound] = [
        each["subjects"]
        for each in _objects("admission-faults")
        if each["kind"] == "RoleBinding" and each["roleRef"]["name"] == "chaosctl:parameters"
    ]
    assert bound == [group, _ACCOUNT]


def test_rights_to_objects_of_all_namespaces_reach_no_parameter() -> None:
    for file in _FILES.glob("*.yaml"):
        for each in _objects(file.stem):
            rules = each.get("rules", ()) if each["kind"] == "ClusterRole" else ()
            assert not any("configmaps" in rule.get("resources", ()) for rule in rules), file.name


def test_who_makes_guardians_of_workloads_has_no_guardian_with_rights_over_nodes() -> None:
    """A Job may have any service account of its namespace, so that its maker has the rights of all of them."""
    files = ("observe", "workload-faults", "node-faults")
    roles = [each for file in files for each in _objects(file)]
    maker = {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "chaosctl:workload-faults"}
    spaces = {
        each["metadata"]["namespace"]
        for each in roles
        if each["kind"] == "RoleBinding" and maker in each["subjects"] and each["roleRef"]["name"].endswith("guardians")
    }
    assert spaces == {"chaosctl-guardians"}
    guardian = {"kind": "ServiceAccount", "name": "chaosctl-guardian", "namespace": "chaosctl-guardians"}
    assert {each for rule in _rules(guardian, *files) for each in rule["resources"]} == {
        *("configmaps", "deployments", "services", "pods"),
    }


def test_runner_in_the_cluster_makes_no_guardians_where_it_only_observes() -> None:
    assert not any("jobs" in rule["resources"] and "create" in rule["verbs"] for rule in _namespaced("observe"))


def _namespaced(file: str) -> Iterator[dict[str, Any]]:
    return (rule for rule in _rules(_ACCOUNT, file) if "resources" in rule)


@pytest.mark.parametrize("file", sorted(path.stem for path in _FILES.glob("*.yaml")))
def test_nothing_is_granted_that_no_code_asks_for(file: str) -> None:
    """Each resource is part of a path, or one of the kinds that a path is made with."""
    sources = [path.read_text() for part in ("actions", "probes", "runner") for path in (_ROOT / part).rglob("*.py")]
    paths = "\n".join(text for text in sources if "_rights(" not in text)
    granted = {name for each in _objects(file) for rule in each.get("rules", ()) for name in rule.get("resources", ())}
    unused = [name for name in granted if not re.search(_used(name.rpartition("/")[2]), paths)]
    assert unused == []


def _used(resource: str) -> str:
    return rf"""/{resource}(?=["'/?{{])|_KINDS = .*"{resource}\""""


def _is_granted(right: Right, file: str) -> bool:
    rules = _rules(_ACCOUNT, file)
    return any(right.resource in rule.get("resources", ()) and right.verb in rule["verbs"] for rule in rules)


def _rules(who: dict[str, str], *files: str) -> Iterator[dict[str, Any]]:
    """Yield what somebody is granted by files that are applied together."""
    objects = [each for file in files for each in _objects(file)]
    roles = {(each["kind"], each["metadata"]["name"]): each.get("rules", ()) for each in objects}
    for each in objects:
        if each["kind"].endswith("Binding") and who in each.get("subjects", ()):
            yield from roles[each["roleRef"]["kind"], each["roleRef"]["name"]]


def _objects(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((_FILES / f"{file}.yaml").read_text()))
