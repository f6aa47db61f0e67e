"""Which environment may be touched. The cluster is a stand-in: an HTTP server that says which kube-system it has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.config import Chosen, Environment, Guardrails, Kubernetes
from runner.errors import Refused, Unreachable, UsageError
from runner.guardrails import Ruling, enforce, on_environment
from runner.model import clock
from tests._api_server import Cluster, cluster

UID = "6f1d2c3b-0000-4000-8000-000000000001"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with the pinned UID."""
    with cluster(tmp_path, UID) as made:
        yield made


def check_environment(chosen: Chosen) -> tuple[Ruling, ...]:
    return enforce(on_environment(chosen))


def pinned(served: Cluster, context: str = "payment") -> Chosen:
    kubernetes = Kubernetes(context=context, kubeconfig=served.kubeconfig, uid=UID)
    return Chosen(name="staging", environment=Environment(kind="preproduction", kubernetes=kubernetes))


def test_production_is_refused_unless_it_is_allowed_on_purpose() -> None:
    with pytest.raises(Refused, match="'live' is production, and faults are not allowed there") as refused:
        check_environment(Chosen(name="live", environment=Environment(kind="production")))
    assert refused.value.exit_code == 5
    assert "production_allowed: true" in refused.value.fix
    assert [(ruling.guardrail, ruling.allowed) for ruling in refused.value.rulings] == [("production", False)]
    allowed = Environment(kind="production", guardrails=Guardrails(production_allowed=True))
    [ruling] = check_environment(Chosen(name="live", environment=allowed))
    assert (ruling.guardrail, ruling.allowed) == ("production", True)
    assert ruling.at == pytest.approx(clock(), abs=10)


@pytest.mark.parametrize("kind", ["lab", "preproduction"])
def test_other_environments_need_no_permission(kind: str) -> None:
    assert check_environment(Chosen(name="x", environment=Environment.model_validate({"kind": kind}))) == ()


def test_cluster_with_the_pinned_uid_is_the_one(served: Cluster) -> None:
    ruling, halted = check_environment(pinned(served))
    assert halted.reason.startswith("no halt was called for the cluster")
    assert (ruling.guardrail, ruling.reason) == ("cluster", f"kube-system has the pinned UID {UID}")
    assert served.asked[0] == "/api/v1/namespaces/kube-system"


def test_context_that_points_elsewhere_is_refused(served: Cluster) -> None:
    served.uid = "somebody-elses"
    with pytest.raises(Refused, match="'payment' is not the cluster of environment 'staging'") as refused:
        check_environment(pinned(served))
    assert "somebody-elses" in refused.value.message
    assert UID in refused.value.message
    assert "Nothing was touched" in refused.value.fix


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_cluster_that_does_not_say_who_it_is_is_not_taken_for_the_one(served: Cluster, status: int) -> None:
    served.status = status
    with pytest.raises(Unreachable, match="could not be asked who it is") as unreachable:
        check_environment(pinned(served))
    assert str(status) in unreachable.value.message
    assert "\n" not in unreachable.value.message


def test_cluster_that_does_not_answer_is_asked_once(served: Cluster) -> None:
    """With retries, a cluster that hangs would keep the person waiting four times as long."""
    served.status = 0
    with pytest.raises(Unreachable, match="could not be asked who it is"):
        check_environment(pinned(served))
    assert len(served.asked) == 1


def test_context_that_is_not_there_is_named(served: Cluster) -> None:
    with pytest.raises(UsageError, match="Context 'other' of environment 'staging' cannot be had from the kubeconfig"):
        check_environment(pinned(served, "other"))


@pytest.mark.parametrize("content", [None, "", "a: [", "just text", "\x00"])
def test_kubeconfig_that_is_none_is_a_usage_error(served: Cluster, content: str | None) -> None:
    served.kubeconfig.unlink() if content is None else served.kubeconfig.write_text(content)
    with pytest.raises(UsageError, match="cannot be had from the kubeconfig") as refused:
        check_environment(pinned(served))
    assert "\n" not in refused.value.message
