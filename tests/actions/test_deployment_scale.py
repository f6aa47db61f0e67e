"""deployment-scale, without a cluster; tests/kubernetes has the rest."""

from typing import Any

import pytest

from actions.deployment_scale import DeploymentScale, _selector
from runner.errors import UsageError
from runner.model import EndsBy
from runner.parameters import build
from runner.plan import plan
from runner.targets import reach


def scale(to: object) -> DeploymentScale:
    """Return one as it is asked for."""
    return build(DeploymentScale, {"to": to})


@pytest.mark.parametrize("to", ["none", "-1", "100%", "0%", True, 1.5, "10000"])
def test_replicas_are_a_number_or_a_share(to: object) -> None:
    with pytest.raises(UsageError, match="no number of replicas"):
        scale(to)


@pytest.mark.parametrize(("to", "of", "takes"), [(0, 3, 3), (1, 3, 2), ("50%", 3, 2), ("50%", 1, 1), (5, 3, 0)])
def test_what_it_takes_away_is_what_is_more_than_asked_for(to: object, of: int, takes: int) -> None:
    assert scale(to).takes(of) == takes


def test_guardians_end_it() -> None:
    assert scale(0).ends_by is EndsBy.GUARDIAN


@pytest.mark.parametrize(
    ("wanted", "query"),
    [
        ({"matchLabels": {"app": "a", "tier": "b"}}, "app=a,tier=b"),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]}, "app in (a,b)"),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["a"]}]}, "app notin (a)"),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "app"),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, "!app"),
    ],
)
def test_its_selector_is_asked_for_as_the_api_has_it(wanted: dict[str, Any], query: str) -> None:
    assert _selector(wanted) == query


def test_what_is_no_deployment_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        scale(0).proof(reach("local"))


def test_without_a_cluster_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="acts on deployments of a cluster"):
        plan(DeploymentScale, {"to": 0, "where": "local"})
