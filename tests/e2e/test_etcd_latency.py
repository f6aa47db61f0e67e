"""etcd-latency by the line that people type, on an environment that says the rest."""

import json

import pytest

from runner.model import clock
from tests.e2e.conftest import chaosctl

pytestmark = pytest.mark.usefixtures("lab", "no_leaks")


def test_the_environment_says_whom_where_and_how_long() -> None:
    line = ["inject", "etcd-latency", "--latency=2500ms", "--percentile=99"]
    done = chaosctl(*line, "--detach", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    try:
        listed = {fault["id"]: fault for fault in json.loads(chaosctl("faults", "--output", "json").stdout)}
        assert 200 < listed[told["id"]]["deadline"] - clock() <= 300
    finally:
        recovered = chaosctl("recover", told["id"])
    assert told["sentence"] == "writes of payment-ledger to etcd have a P99 of 2.5s for 5m"
    assert recovered.returncode == 0, recovered.stderr
