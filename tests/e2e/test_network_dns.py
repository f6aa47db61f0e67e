"""The experiment network-dns from its baseline to its record, on real DNS, a real service and a real Prometheus."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.plan import Lab
from runner.targets.netns import reach
from tests._alone import seeing
from tests.e2e.conftest import (
    EXPERIMENTS,
    NAME,
    Done,
    chaos_run,
    chaosctl,
    chaosctl_run,
    last_record,
    tool,
    variables,
)

EXPERIMENT = EXPERIMENTS / "network-dns.yaml"
pytestmark = pytest.mark.usefixtures("lab", "no_leaks")


def moments(record: dict[str, Any]) -> dict[str, float]:
    [fault] = record["faults"]
    [target] = fault["targets"]
    return {key: target[key] for key in ("committed", "effective", "deadline", "ended", "healed")}


@cache
def naive(run: Callable[..., Done]) -> Done:
    """Return what the experiment comes to by that command with a service that resolves for each payment."""
    return run(EXPERIMENT, duration="12s")


@pytest.mark.parametrize("run", [chaos_run, chaosctl_run])
def test_naive_service_fails_with_all_moments_in_the_record(run: Callable[..., Done]) -> None:
    done = naive(run)
    record = done.record
    judged = record["judgement"]
    assert (done.code, judged["verdict"], judged["exit_code"]) == (1, "fail", 1), done.err
    seen = moments(record)
    assert list(seen) == sorted(seen, key=lambda key: seen[key])
    assert seen["deadline"] - seen["committed"] == pytest.approx(12, abs=0.01)
    assert seen["ended"] - seen["deadline"] < 1
    sights = {look["phase"]: look["sight"] for look in record["faults"][0]["targets"][0]["looks"]}
    assert sights == {"before": "absent", "during": "present", "after": "absent"}
    assert record["faults"][0]["targets"][0]["hits"] > 50
    assert judged["bad_share"] > 0.5
    assert judged["score"] < 80
    assert judged["recovery_time"] is not None
    assert judged["steady_again"] >= seen["healed"]
    steps = [event["what"] for event in record["timeline"]]
    assert steps == ["baseline", "before", "armed", "effective", "healed", "steady"]
    assert record["origin"]["environment"] == NAME


def test_both_commands_give_the_same_kind_of_record() -> None:
    one, other = naive(chaos_run).record, naive(chaosctl_run).record
    assert one.keys() == other.keys()
    assert one["experiment"] == other["experiment"]
    assert one["judgement"]["verdict"] == other["judgement"]["verdict"] == "fail"
    assert [event["what"] for event in one["timeline"]] == [event["what"] for event in other["timeline"]]
    assert {one["origin"]["how"], other["origin"]["how"]} == {"chaos run", "chaosctl run"}


def test_service_that_remembers_addresses_passes() -> None:
    done = chaosctl_run(EXPERIMENT, service="payment-stale", duration="12s")
    assert done.code == 0, done.err
    assert done.record["judgement"]["score"] == 100
    assert done.record["faults"][0]["targets"][0]["hits"] > 50


def test_service_that_never_resolves_was_not_exercised() -> None:
    done = chaosctl_run(EXPERIMENT, service="payment-pooled", duration="8s")
    assert done.code == 3
    assert done.record["judgement"]["verdict"] == "inconclusive"
    assert done.record["judgement"]["score"] is None
    assert "never met network-dns" in done.record["judgement"]["reasons"][0]
    assert done.record["faults"][0]["targets"][0]["hits"] == 0


def test_fault_that_does_nothing_is_inconclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for nft that swallows the rules: the fault's command is a no-op."""
    nft = tmp_path / "bin" / "nft"
    nft.parent.mkdir()
    nft.write_text('#!/bin/sh\ncase "$*" in "-f -") cat >/dev/null; exit 0;; esac\nexec /usr/sbin/nft "$@"\n')
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{nft.parent}:{os.environ['PATH']}")
    done = chaos_run(EXPERIMENT, duration="6s")
    assert done.code == 3, done.out + done.err
    assert done.record["judgement"]["score"] is None
    assert "did not show" in done.record["judgement"]["reasons"][0]
    journal = json.loads(Path("journal.json").read_text())
    assert (journal["status"], journal["deviated"]) == ("failed", False)


def test_baseline_that_does_not_hold_injects_nothing() -> None:
    done = chaosctl_run(EXPERIMENT, service="nobody", duration="6s")
    assert done.code == 3
    assert done.record["faults"] == []


def test_fault_that_is_too_short_to_be_seen_is_refused() -> None:
    done = chaosctl("run", str(EXPERIMENT), "--var", "duration=3s")
    assert done.returncode == 2
    assert "too short to be seen" in " ".join(done.stdout.split())


def test_killed_run_is_seen_as_one_that_never_ended(lab: Lab, tmp_path: Path) -> None:
    argv = [
        tool("chaos"),
        "--no-version-check",
        "--no-log-file",
        "run",
        *variables(duration="6s", service="payment-stale"),
        str(EXPERIMENT),
    ]
    run = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert run.stderr
    assert any("effective" in line for line in run.stderr)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    listed = json.loads(chaosctl("report", "list", "--limit", "1", "--output", "json").stdout)["runs"][0]
    assert "never ended" in json.dumps(listed)
    lookup = ["ip", "netns", "exec", lab.namespace("payment-stale"), "getent", "hosts", "redis-cluster"]
    until = time.monotonic() + 8
    while subprocess.run(lookup, capture_output=True, check=False).returncode:
        assert time.monotonic() < until, "the fault outlived its deadline"
    (tmp_path / "seen").mkdir()
    seen = [*seeing(tmp_path / "seen", reach(lab.namespace("payment-stale"))), tool("chaosctl")]
    assert subprocess.run([*seen, "recover", "--all"], capture_output=True, check=False).returncode == 0


def test_signal_heals_at_once_and_leaves_a_record() -> None:
    """Each signal in a run of its own, at another service, all at the same time."""
    numbers = {"payment-stale": signal.SIGINT, "payment-api": signal.SIGTERM, "payment-pooled": signal.SIGHUP}
    with ThreadPoolExecutor(len(numbers)) as pool:
        list(pool.map(_signalled, numbers, numbers.values()))
    listed = json.loads(chaosctl("report", "list", "--limit", "3", "--output", "json").stdout)["runs"]
    records = [json.loads(chaosctl("report", "show", each["run"], "--output", "json").stdout) for each in listed]
    assert len({record["faults"][0]["targets"][0]["target"] for record in records}) == 3
    for record in records:
        assert record["judgement"]["verdict"] == "aborted"
        assert record["faults"][0]["targets"][0]["ended_how"] == "undone"
        assert moments(record)["healed"] < moments(record)["deadline"] - 30


def _signalled(service: str, number: signal.Signals) -> None:
    argv = [tool("chaosctl"), "run", *variables(duration="60s", service=service), str(EXPERIMENT)]
    run = subprocess.Popen(argv, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr
    assert any("effective" in line for line in run.stderr)
    begun = time.monotonic()
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert time.monotonic() - begun < 20
    assert run.returncode == 5, out + err


def test_runs_from_any_folder_and_keeps_secrets_out(tmp_path: Path) -> None:
    experiment = yaml.safe_load(EXPERIMENT.read_text())
    experiment["secrets"] = {"jira": {"token": "tr0ub4dor"}}
    experiment["configuration"]["leak"] = "${token}"
    experiment["method"][0]["configuration"] = {"seen": "tr0ub4dor"}
    copy = tmp_path / "mine.yaml"
    copy.write_text(yaml.safe_dump(experiment))
    done = chaos_run(copy, service="payment-stale", duration="6s")
    assert done.code == 0, done.out + done.err
    assert "tr0ub4dor" not in json.dumps(done.record)


def test_experiment_without_the_control_is_recorded_by_chaosctl_run(tmp_path: Path) -> None:
    experiment = yaml.safe_load(EXPERIMENT.read_text())
    del experiment["controls"]
    copy = tmp_path / "bare.yaml"
    copy.write_text(yaml.safe_dump(experiment))
    done = chaosctl_run(copy, service="payment-stale", duration="6s")
    assert done.code == 0, done.err
    assert done.record["experiment"]["path"] == str(copy)


def test_inject_by_hand_is_recorded_without_a_score() -> None:
    done = chaosctl("inject", "network-dns", "--namespace=payment", "--duration=5s", "--target=redis-cluster")
    assert done.returncode == 0, done.stderr
    assert re.search(r"3 hosts in payment cannot resolve redis-cluster for 5s|payment-api, payment-pooled", done.stdout)
    record = last_record()
    assert record["kind"] == "inject"
    assert len(record["faults"][0]["targets"]) == 3
    assert record["judgement"] is None or record["judgement"]["score"] is None


def test_environment_that_must_not_be_touched_is_refused_before_any_write(tmp_path: Path) -> None:
    config = tmp_path / "chaosctl.yaml"
    environment = yaml.safe_load(
        (Path(os.environ["XDG_STATE_HOME"]) / f"chaosctl/environments/{NAME}.yaml").read_text()
    )
    config.write_text(
        yaml.safe_dump({"environments": {"live": environment["environments"][NAME] | {"kind": "production"}}})
    )
    before = set((Path(os.environ["XDG_STATE_HOME"]) / "chaosctl/ledger").glob("*"))
    os.environ["CHAOSCTL_ENV"] = "live"
    done = chaos_run(EXPERIMENT)
    assert done.code == 5, done.out + done.err
    assert "is production, and faults are not allowed there" in done.out + done.err
    assert done.record["faults"] == []
    assert set((Path(os.environ["XDG_STATE_HOME"]) / "chaosctl/ledger").glob("*")) == before
    assert shutil.which("nft")
