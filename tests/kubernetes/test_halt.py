"""A halt called from another machine stops what this one has in the cluster, and refuses what comes."""

from pathlib import Path
from typing import Any

from runner import shared_halt
from runner.config import current
from tests._cli import chaosctl, started
from tests._kubernetes import left, until

LINE = (
    "inject",
    "network-dns",
    "--namespace=payment",
    "--selector=app=payment-pooled",
    "--replicas=all",
    "--target=redis-cluster",
    "--duration=300s",
)


def test_halt_reaches_what_runs_and_what_comes_on_every_machine(kube: Any, tmp_path: Path) -> None:
    there = {"XDG_STATE_HOME": str(tmp_path / "another")}
    with started(*LINE) as running:
        assert running.stdout
        assert any("effective" in line for line in running.stdout)
        called = chaosctl("halt", "--reason=the shop is down", **there)
        try:
            assert called.code == 0, called.err
            assert "Stopped: " in called.out
            _, told = running.communicate(timeout=60)
            assert running.returncode == 5, told
            assert "the shop is down" in told
            refused = chaosctl(*LINE)
            assert refused.code == 5
            assert "the shop is down" in refused.err
            assert "chaosctl halt --lift" in refused.err
        finally:
            lifted = chaosctl("halt", "--lift")
    assert "the shop is down" in lifted.out
    assert shared_halt.declared(current()) is None
    assert until("nothing of ours", lambda: not left())
    assert (tmp_path / "another/chaosctl/halt.json").exists(), "that machine's own halt is lifted there"
