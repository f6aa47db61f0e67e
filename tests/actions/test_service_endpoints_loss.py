"""service-endpoints-loss, without a cluster; tests/kubernetes has the rest."""

import pytest

from actions.service_endpoints_loss import ServiceEndpointsLoss
from runner.errors import UsageError
from runner.model import EndsBy
from runner.plan import plan
from runner.targets import reach


def test_guardians_end_it() -> None:
    assert ServiceEndpointsLoss().ends_by is EndsBy.GUARDIAN


def test_what_is_no_service_is_refused() -> None:
    with pytest.raises(UsageError, match="local is none"):
        ServiceEndpointsLoss().proof(reach("local"))


def test_without_a_cluster_it_says_what_is_missing() -> None:
    with pytest.raises(UsageError, match="acts on services of a cluster"):
        plan(ServiceEndpointsLoss, {"where": "local"})
