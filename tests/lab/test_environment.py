from pathlib import Path

import pytest

from lab import environment
from lab.plan import Lab
from runner.config import Environment, current, load, read
from runner.errors import UsageError
from runner.targets import reach


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Lab("written", "10.219.1.0/24")


def _written(lab: Lab) -> Environment:
    environment.write(lab)
    return load().environments[lab.name]


def test_it_is_what_the_configuration_expects(lab: Lab) -> None:
    written = _written(lab)
    assert written.kind == "lab"
    assert str(written.prometheus and written.prometheus.url) == "http://10.219.1.40:9090/"
    assert [str(url) for url in (written.etcd.endpoints if written.etcd else ())] == ["http://10.219.1.30:2379/"]
    assert written.etcd
    assert written.etcd.clients == ("payment-ledger",)
    assert (written.duration, written.variables) == (
        20.0,
        {"window": "5s", "duration": "20s", "redis": "redis://10.219.1.10:6379"},
    )


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        ("payment-api", "payment"),
        ("payment-pooled", "payment"),
        ("payment-stale", "payment"),
        ("redis-cluster", "data"),
        ("payment-ledger", "ledger"),
        ("etcd", "etcd"),
    ],
)
def test_each_host_that_faults_act_on_is_found_by_its_label(lab: Lab, host: str, namespace: str) -> None:
    written = _written(lab).hosts[host]
    assert (written.namespace, dict(written.labels)) == (namespace, {"app": host})
    assert reach(written.reach).name == f"netns:chaoslab-written-{host}"


def test_what_only_serves_the_lab_is_not_offered(lab: Lab) -> None:
    assert {"dns", "traffic", "prometheus"}.isdisjoint(_written(lab).hosts)


def test_a_lab_is_the_default_where_the_user_has_none(lab: Lab) -> None:
    environment.write(lab)
    assert current().name == "written"


def test_the_users_own_default_stays(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("default: staging\nenvironments:\n  staging:\n    kind: preproduction\n")
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(own))
    environment.write(lab)
    assert current().name == "staging"
    assert current("written").environment.kind == "lab"


def test_a_name_the_user_has_given_to_another_environment_is_refused(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("environments:\n  written:\n    kind: preproduction\n")
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(own))
    with pytest.raises(UsageError, match=r"own\.yaml defines an environment of that name") as refusal:
        environment.refuse_defined(lab)
    assert "--name" in refusal.value.fix


def test_its_own_file_is_no_reason_to_refuse(lab: Lab) -> None:
    environment.write(lab)
    environment.refuse_defined(lab)


def test_a_file_of_that_name_that_no_lab_wrote_is_neither_replaced_nor_removed(lab: Lab) -> None:
    lab.environment.parent.mkdir(parents=True)
    lab.environment.write_text("environments: {}\n")
    with pytest.raises(UsageError):
        environment.refuse_defined(lab)
    environment.remove(lab)
    assert lab.environment.read_text() == "environments: {}\n"


def test_nothing_but_the_file_is_left_and_nothing_after_removal(lab: Lab) -> None:
    environment.write(lab)
    assert list(lab.environment.parent.iterdir()) == [lab.environment]
    environment.remove(lab)
    environment.remove(lab)
    assert not list(lab.environment.parent.iterdir())


def test_a_slower_prometheus_has_a_wider_window_and_longer_faults(lab: Lab) -> None:
    slow = Lab("written", lab.subnet, 15.0)
    environment.write(slow)
    written = read(slow.environment).environments["written"]
    assert (written.duration, written.variables) == (90.0, {**written.variables, "window": "60s", "duration": "90s"})
