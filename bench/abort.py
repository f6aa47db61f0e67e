"""How long after the answer that trips an abort condition the fault is healed; 2 s are promised."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from runner.model import clock
from tests._network import network
from tests.probes._prometheus_server import Exporter, Job, running

_ROUNDS = 10
_CHAOSCTL = str(Path(sys.executable).parent / "chaosctl")


def main() -> None:
    """Break a service under an injection, again and again, and set the decision against the healed target."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    os.environ |= {"XDG_STATE_HOME": str(folder), "CHAOSCTL_CONFIG": str(folder / "chaosctl.yaml")}
    broken = [0.0]
    exporter = Exporter(lambda _scrape: f"broken {broken[0]}\n")
    with running(folder / "prometheus", [Job("s", [exporter])]) as url, network() as net:
        abort = [{"name": "it breaks", "query": "max(broken) > 0.5"}]
        environment = {"kind": "lab", "prometheus": {"url": url}, "guardrails": {"abort": abort}}
        document = {"default": "lab", "environments": {"lab": environment}}
        (folder / "chaosctl.yaml").write_text(yaml.safe_dump(document))
        found = []
        for _ in range(_ROUNDS):
            broken[0] = 0.0
            time.sleep(3)
            found.append(_one(net.client.name, broken))
    exporter.stop()
    names = "answer to ended", "answer to healed", "break to healed"
    for name, times in zip(names, zip(*found, strict=True), strict=True):
        print(f"{name:20} median {statistics.median(times) * 1000:6.0f} ms   worst {max(times) * 1000:6.0f} ms")


def _one(target: str, broken: list[float]) -> tuple[float, float, float]:
    """Inject, break the service once the fault is proven, and return the times from the record."""
    argv = [_CHAOSCTL, "inject", "network-dns", "--target=redis-cluster", f"--on={target}", "--duration=5m"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any("effective" in line for line in process.stdout)
        time.sleep(2)
        broke, broken[0] = clock(), 1.0
        process.communicate(timeout=60)
    assert process.returncode == 5
    argv = [_CHAOSCTL, "report", "show", "last", "--output=json"]
    record = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    [tripped] = [each["at"] for each in record["decisions"] if not each["allowed"]]
    [at] = record["faults"][0]["targets"]
    return at["ended"] - tripped, at["healed"] - tripped, at["healed"] - broke
