"""Guardrails while a fault is live: abort conditions, critical alerts and lost answers, by a real Prometheus; halts."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.config import Chosen, Environment
from runner.errors import UsageError
from runner.guardrails import conditions
from runner.limits import Abort
from runner.targets.netns import Netns
from tests._alone import seeing
from tests._cli import CHAOSCTL, chaosctl, started
from tests._experiments import Ended, chaos_run, experiment, scratch
from tests._network import Network
from tests._scratch import left
from tests.probes._prometheus_server import Exporter, Job, running, until

BROKEN = "max(broken) > 0.5"


class Service:
    """What Prometheus knows: gauges that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.values = {"broken": 0.0, "burning": 0.0, "odd": 0.0}
        self.exporter = Exporter(lambda _scrape: "".join(f"{name} {value}\n" for name, value in self.values.items()))
        self.url = ""
        self._stack = ExitStack()
        self._folder = folder

    def start(self) -> None:
        """Start Prometheus, and wait until it has scraped."""
        alerts = {"Burning": "max(burning) > 0.5", "Odd": "max(odd) > 0.5"}
        self.url = self._stack.enter_context(running(self._folder, [Job("s", [self.exporter])], alerts=alerts))
        self.sees('broken{job="s"}')

    def sees(self, query: str) -> None:
        """Wait until a query answers with a series."""
        server = conditions.guards(self.chosen(Abort(name="x", query=query)))[0]
        until(server.holding)  # type: ignore[attr-defined]
        server.close()

    def chosen(self, *abort: Abort) -> Chosen:
        return Chosen(name="preprod", environment=Environment.model_validate(self.environment(*abort)))

    def environment(self, *abort: Abort) -> dict[str, Any]:
        """Return an environment that names this Prometheus."""
        limits = {"abort": [condition.model_dump() for condition in abort], "max_duration": "2h"}
        return {"kind": "preproduction", "prometheus": {"url": self.url}, "guardrails": limits}

    def stop(self) -> None:
        """End Prometheus and what it scrapes."""
        self._stack.close()
        self.exporter.stop()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service in good health, and its Prometheus."""
    made = Service(tmp_path / "prometheus")
    try:
        made.start()
        yield made
    finally:
        made.stop()


def configured(place: Path, environment: dict[str, Any]) -> Path:
    """Write a chaosctl.yaml whose default is this environment."""
    place.mkdir(parents=True, exist_ok=True)
    file = place / "chaosctl.yaml"
    file.write_text(yaml.safe_dump({"default": "preprod", "environments": {"preprod": environment}}))
    return file


def extended(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "chaosctl", "baseline": 1, "objective": "1s", **more}]


def told(ended: Ended) -> tuple[int, str]:
    """Return exit code and deciding reason."""
    assert ended.record, ended.printed
    return ended.code, ended.record["judgement"]["reasons"][0]


def refusals(ended: Ended) -> list[str]:
    assert ended.record
    return [decision["guardrail"] for decision in ended.record["decisions"] if not decision["allowed"]]


@pytest.mark.timeout(300)
def test_what_trips_heals_at_once_and_ends_with_its_code(
    service: Service, namespaces: Callable[[], Netns], net: Network, tmp_path: Path
) -> None:
    """Four at once: by a condition of the experiment, by one of the environment, by an alert; and one that goes on."""
    one, two, three = (namespaces() for _ in range(3))
    condition = {"name": "it breaks", "query": BROKEN}
    other = Abort(name="never", query="max(broken) > 5")
    places = {name: tmp_path / name for name in ("condition", "alert", "expected", "inject")}
    for place in places.values():
        configured(place, service.environment(*([Abort(**condition)] if place.name == "inject" else [other])))
    runs = {
        "condition": experiment(scratch(one, pause=600), extensions=extended(abort=[condition])),
        "alert": experiment(scratch(two, pause=600)),
        "expected": experiment(scratch(three, pause=600), extensions=extended(expected_alerts=["Burning"])),
    }
    inject = "inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=1h"
    with ExitStack() as stack:
        begun = {}
        for name, what in runs.items():
            begun[name] = stack.enter_context(chaos_run(places[name], what))
            begun[name].live()
        here = {"CHAOSCTL_CONFIG": str(places["inject"] / "chaosctl.yaml"), "XDG_STATE_HOME": str(places["inject"])}
        byhand = stack.enter_context(started(*inject, **here))
        assert byhand.stdout
        assert any("effective" in line for line in byhand.stdout)
        assert [left(at) != [] for at in (one, two, three, net.client)] == [True] * 4
        service.values["broken"] = 1.0
        ended = {"condition": begun["condition"].ended()}
        _, err = byhand.communicate(timeout=120)
        service.values["burning"] = 1.0
        ended["alert"] = begun["alert"].ended()
        service.sees('ALERTS{alertname="Burning",alertstate="firing"}')
        threading.Event().wait(2)
        assert begun["expected"].process.poll() is None
        assert left(three) != [], "an alert of the hypothesis stops nothing"
        service.values["odd"] = 1.0
        ended["expected"] = begun["expected"].ended()
    assert [left(at) for at in (one, two, three, net.client)] == [[]] * 4
    at_once = "What was live was healed at once."
    assert told(ended["condition"]) == (5, f"The abort condition 'it breaks' holds: 1. {at_once}")
    assert told(ended["alert"]) == (5, f"The critical alert Burning is firing. {at_once}")
    assert told(ended["expected"]) == (5, f"The critical alert Odd is firing. {at_once}")
    assert (byhand.returncode, "The abort condition 'it breaks' holds: 1." in err) == (5, True)
    assert refusals(ended["condition"]) == ["abort condition 'it breaks'"]
    assert refusals(ended["alert"]) == ["critical alert"]
    record = ended["condition"].record
    assert record
    allowed = {decision["guardrail"] for decision in record["decisions"] if decision["allowed"]}
    assert allowed >= {"halt", "locks", "residue", "abort condition", "critical alert", "protected", "blast radius"}
    [target] = record["faults"][0]["targets"]
    assert target["ended_how"] == "undone"


def test_alerts_that_the_hypothesis_names_belong_to_it() -> None:
    queries = ['ALERTS{alertname="Down",job="x"}', 'sum(ALERTS{alertname = "Late"}) or vector(0)', "up"]
    assert conditions.inside(queries, ("Odd",)) == {"Down", "Late", "Odd"}
    assert conditions._alerts({"severity": "page"}, {"a.b", "Odd"}) == (
        'ALERTS{alertstate="firing",severity="page",alertname!~"Odd|a\\\\.b"}'
    )


def test_what_holds_before_any_fault_is_refused(service: Service, namespace: Netns, tmp_path: Path) -> None:
    service.values["burning"] = 1.0
    service.sees('ALERTS{alertname="Burning",alertstate="firing"}')
    place = tmp_path / "run"
    configured(place, service.environment())
    with chaos_run(place, experiment(scratch(namespace))) as run:
        ended = run.ended()
    assert told(ended)[0] == 5
    assert "The critical alert Burning is firing already, before any fault." in told(ended)[1]
    assert ended.record
    assert ended.record["faults"] == []
    assert not (place / "state" / "chaosctl" / "ledger").exists()
    [ruling] = [each for each in conditions.rule(service.chosen(Abort(name="x", query="max(brokn)"))) if each.allowed]
    assert ruling.reason.endswith("asked every second; nothing matches brokn now: mind the spelling")


def test_injection_whose_guardrails_get_no_answer_is_healed(service: Service, net: Network, tmp_path: Path) -> None:
    file = configured(tmp_path / "inject", service.environment())
    argv = "inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=1h"
    with started(*argv, CHAOSCTL_CONFIG=str(file)) as process:
        assert process.stdout
        assert any("effective" in line for line in process.stdout)
        service.stop()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "The critical alert had no answer 3 times in a row" in err
    assert "The run is blind, so what was live was healed at once." in err
    assert left(net.client) == []


def test_condition_without_anybody_to_ask_is_refused() -> None:
    abort = [Abort(name="it breaks", query=BROKEN)]
    with pytest.raises(UsageError, match="'it breaks' cannot be watched: no Prometheus is named"):
        conditions.rule(Chosen(name="lab", environment=Environment(kind="lab")), abort)
    assert conditions.guards(None) == []


def halt(place: Path, at: Sequence[Netns], *arguments: str) -> str:
    """Call a halt that finds these namespaces alone, and return what it said: other tests have faults of their own."""
    place.mkdir()
    argv = [*seeing(place, *at), CHAOSCTL, "halt", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@pytest.mark.timeout(300)
def test_halt_stops_what_runs_and_refuses_what_comes(
    namespaces: Callable[[], Netns], net: Network, tmp_path: Path
) -> None:
    """With the control, without it, and by hand; in the state directory that all of them share."""
    one, two, idle = namespaces(), namespaces(), namespaces()
    shared = {"XDG_STATE_HOME": str(tmp_path / "state")}
    bare = experiment(scratch(two, pause=20), controls=[])
    inject = "inject", "network-dns", "--target=redis-cluster", "--duration=1h", "--detach"
    with ExitStack() as stack:
        run = stack.enter_context(chaos_run(tmp_path / "run", experiment(scratch(one, pause=600)), **shared))
        plain = stack.enter_context(chaos_run(tmp_path / "plain", bare, **shared))
        assert chaosctl(*inject, f"--on={net.client.name}").code == 0
        run.live()
        plain.until(lambda: left(two) != [] and "effective: " in (plain.place / "log").read_text())
        mine = one, two, net.client
        halted = json.loads(halt(tmp_path / "seen", mine, "--reason=the shop is down", "--output=json"))
        assert [left(at) for at in mine] == [[], [], []]
        assert (halted["halted"], len(halted["stopped"]), halted["failures"]) == (True, 3, [])
        ended = run.ended()
        refused = chaosctl("inject", "network-dns", "--target=x", f"--on={idle.name}", "--duration=1s")
    code, reason = told(ended)
    assert code == 5
    assert "called a halt at 20" in reason
    assert "the shop is down. What was live was healed at once." in reason
    assert refused.code == 5
    assert "the shop is down. Nothing is injected until it is lifted." in refused.err
    assert "chaosctl halt --lift" in refused.err
    assert chaosctl("halt", "--lift").out.startswith("Lifted: ")
    assert left(idle) == []


def test_halt_undoes_what_has_nobody_left(net: Network, tmp_path: Path) -> None:
    argv = [CHAOSCTL, "inject", "network-dns", "--target=redis-cluster", f"--on={net.client.name}", "--duration=1h"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any("effective" in line for line in process.stdout)
        process.kill()
    assert len(left(net.client)) == 1
    assert "Nothing is injected until `chaosctl halt --lift`." in halt(tmp_path / "seen", [net.client])
    assert left(net.client) == []
    chaosctl("halt", "--lift")
