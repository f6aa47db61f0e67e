"""Experiments as files: what Chaos Toolkit does not check, and what ours promise."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.errors import InvalidFile, UsageError
from runner.experiment import CONTROL, Extension, check, experiment_hash, extension, has_control, requests

CATALOGUE = sorted((Path(__file__).parent.parent.parent / "experiments").glob("*.yaml"))
EXPERIMENT = """
title: t
description: d
extensions:
  - name: chaosctl
    service: api
    objective: 10s
    hard: [it answers]
steady-state-hypothesis:
  title: h
  probes:
    - name: it answers
      type: probe
      tolerance: true
      provider: {type: python, module: probes.dns, func: resolves, arguments: {name: x}}
method:
  - name: break it
    type: action
    provider:
      type: python
      module: actions.network_dns
      func: network_dns
      arguments: {target: redis, where: local, duration: 3s}
rollbacks: []
"""


def file(directory: Path, text: str) -> Path:
    made = directory / "x.yaml"
    made.write_text(text)
    return made


def changed(**sections: Any) -> dict[str, Any]:
    experiment: dict[str, Any] = yaml.safe_load(EXPERIMENT)
    return {**experiment, **sections}


@pytest.mark.parametrize("path", CATALOGUE, ids=lambda path: path.stem)
def test_catalogue_is_valid(path: Path) -> None:
    assert has_control(check(path))


def test_good_experiment_is_returned(tmp_path: Path) -> None:
    assert check(file(tmp_path, EXPERIMENT)) == yaml.safe_load(EXPERIMENT)


@pytest.mark.parametrize(
    ("old", "new", "field", "told"),
    [
        ("rollbacks:", "rolbacks:", "rolbacks", "Did you mean 'rollbacks'?"),
        ("rollbacks:", "on_error:", "on_error", "Known here: version, title"),
        ("method:", "methods:", "methods", "Did you mean 'method'?"),
        ("  probes:", "  prob:", "steady-state-hypothesis.prob", "Did you mean 'probes'?"),
        ("tolerance: true", "tolerence: true", "steady-state-hypothesis.probes.0.tolerence", "'tolerance'"),
        ("func: resolves,", "fnc: resolves,", "steady-state-hypothesis.probes.0.provider.fnc", "'func'"),
        ("name: break it", "nam: break it", "method.0.nam", "Did you mean 'name'?"),
        ("where: local", "on: local", "method.0.provider.arguments", "Write `where:` for the target."),
        (
            "objective: 10s",
            "objectve: 10s",
            "extensions.0.objectve",
            "Known in the extension: name, service, objective",
        ),
        ("objective: 10s", "objective: 10", "extensions.0.objective", "10 is not a duration"),
        ("objective: 10s", "slo: 100", "extensions.0.slo.target", "less than 100"),
        ("objective: 10s", "slo: {total: x}", "extensions.0.slo", "`total` and one of `good` and `bad`"),
        ("hard: [it answers]", "invariants: [it works]", "extensions.0.invariants", "no probe of the hypothesis"),
        ("objective: 10s", "tolerated: 0", "extensions.0.tolerated", "greater than 0"),
        ("hard: [it answers]", "hard: [it works]", "extensions.0.hard", "no probe of the hypothesis is called"),
    ],
)
def test_what_chaos_toolkit_would_ignore_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, field: str, told: str
) -> None:
    text = EXPERIMENT.replace(old, new)
    path = file(tmp_path, text)
    with pytest.raises(InvalidFile) as invalid:
        check(path)
    assert invalid.value.field == field
    line = next(number for number, line in enumerate(text.splitlines(), 1) if new.strip() in line)
    assert invalid.value.where == f"{path}:{line}"
    assert told in str(invalid.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n",
        "just text\n",
        "method: 5\n",
        "method: {name: x}\n",
        "method: [x]\n",
        "steady-state-hypothesis: [x]\n",
        "steady-state-hypothesis: {probes: {name: x}}\n",
        "controls: {name: x}\n",
        "controls: [x]\n",
        "extensions: {name: chaosctl}\n",
        "extensions: [chaosctl]\n",
        "rollbacks: [{provider: x}]\n",
    ],
)
def test_what_is_no_experiment_is_an_invalid_file_and_nothing_worse(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidFile):
        check(file(tmp_path, text))


def test_own_keys_are_left_alone(tmp_path: Path) -> None:
    check(file(tmp_path, EXPERIMENT + "x-team: payments\n"))


def test_variables_in_the_extension_are_checked_once_they_are_filled_in(tmp_path: Path) -> None:
    experiment = check(file(tmp_path, EXPERIMENT.replace("objective: 10s", "objective: ${objective}")))
    experiment["extensions"][0]["objective"] = "15s"
    assert extension(experiment).objective == 15
    experiment["extensions"][0]["objective"] = "soon"
    with pytest.raises(UsageError, match=r"chaosctl extension: objective: .*'soon' is not a duration"):
        extension(experiment)


def test_extension_has_defaults() -> None:
    assert extension({}) == extension(changed(extensions=[{"name": "other"}])) == Extension(name="chaosctl")
    assert extension(changed()).service == "api"


def test_probes_are_hard_unless_others_are_listed() -> None:
    assert Extension(name="chaosctl").is_hard("any")
    assert Extension(name="chaosctl", hard=("one",)).is_hard("one")
    assert not Extension(name="chaosctl", hard=("one",)).is_hard("other")
    assert not Extension(name="chaosctl", hard=()).is_hard("one")


def test_requests_are_what_the_faults_ask_for() -> None:
    [request] = requests(changed())
    assert (request.fault.name, request.selection.where, request.seconds) == ("network-dns", "local", 3)


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ({"module": "actions.network_dns", "func": "network_dnz"}, "There is no fault 'network-dnz'"),
        ({"module": "actions.network_dns"}, "There is no fault 'None'"),
        ({"module": "actions.network_dns", "func": "network_dns", "arguments": {}}, "--target is missing"),
        (
            {"module": "actions.network_dns", "func": "network_dns", "arguments": {"target": "a", "duration": 90}},
            "--duration: 90 is not a duration",
        ),
        (
            {"module": "actions.network_dns", "func": "network_dns", "arguments": {"target": "a", "mod": "x"}},
            "There is no parameter 'mod'",
        ),
    ],
)
def test_requests_that_cannot_be_meant_name_the_activity(provider: dict[str, Any], told: str) -> None:
    method = [{"name": "break it", "type": "action", "provider": {"type": "python", **provider}}]
    with pytest.raises(UsageError, match=f"^Action 'break it': {told}"):
        requests(changed(method=method))


def test_other_actions_are_none_of_ours() -> None:
    process = {"name": "x", "type": "action", "provider": {"type": "process", "path": "true"}}
    assert requests(changed(method=[process, {"ref": "x"}])) == []


def test_control_is_found_by_its_module() -> None:
    assert not has_control(changed())
    assert has_control(changed(controls=[CONTROL]))
    assert not has_control(changed(controls=[{"name": "chaosctl", "provider": {"module": "other"}}]))


def hashed(experiment: Mapping[str, Any], **configuration: Any) -> str:
    return experiment_hash(experiment, configuration)


def test_hash_is_of_what_makes_runs_comparable() -> None:
    base = hashed(changed())
    assert hashed(changed(title="other", description="other", tags=["x"])) == base
    assert hashed(changed(rollbacks=[{"name": "x"}])) != base
    assert hashed(changed(extensions=[])) != base
    assert hashed(changed(), url="x") != base
    assert hashed(changed(), a=1, b=2) == hashed(changed(), b=2, a=1)
    other = deepcopy(changed())
    other["method"][0]["provider"]["arguments"]["duration"] = "4s"
    assert hashed(other) != base
    reordered = dict(reversed(list(changed().items())))
    assert hashed(reordered) == base
