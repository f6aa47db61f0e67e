"""Which faults there are."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.discovery import discover, fault, names
from runner.errors import UsageError

ROOT = Path(__file__).parent.parent.parent


def test_faults_are_the_files_of_actions_and_called_like_them() -> None:
    files = {path.stem for path in (ROOT / "actions").glob("[a-z]*.py")}
    assert {name.replace("-", "_") for name in names()} == files
    assert [fault(name).name for name in names()] == list(names())


@pytest.mark.parametrize("unknown", ["network-dn", "", "_dns", "network_dns", "NETWORK-DNS", "../x"])
def test_unknown_fault_is_refused_with_those_there_are(unknown: str) -> None:
    with pytest.raises(UsageError, match="There is no fault") as refused:
        fault(unknown)
    assert "network-dns" in refused.value.fix


@pytest.mark.parametrize(("package", "kind"), [("actions", "action"), ("probes", "probe")])
def test_chaos_toolkit_discovers_all_with_all_their_parameters(package: str, kind: str) -> None:
    found = discover(package, kind, discover_system=False)
    assert found["activities"]
    assert {activity["type"] for activity in found["activities"]} == {kind}
    assert "system" not in found
    if package == "actions":
        [one] = [activity for activity in found["activities"] if activity["name"] == "network_dns"]
        assert [argument["name"] for argument in one["arguments"]][:2] == ["target", "mode"]


def test_asking_for_names_imports_no_chaos_toolkit() -> None:
    asked = "import sys; from runner.discovery import names; names(); print('chaoslib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
