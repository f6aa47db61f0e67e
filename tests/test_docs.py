"""Every fault, probe, command and environment setting is documented; what is generated is up to date."""

from pathlib import Path

import pytest

from runner.cli.reference import reference
from runner.cli.table import table
from runner.config import json_schema
from runner.discovery import fault, names
from runner.parameters import parameters

DOCS = Path(__file__).parent.parent / "docs"
ROOT = DOCS.parent


@pytest.mark.parametrize("name", names())
def test_fault_has_its_page_experiment_and_tests(name: str) -> None:
    page = (DOCS / "faults" / f"{name}.md").read_text()
    assert f"chaosctl inject {name}" in page
    module = name.replace("-", "_")
    assert f"module: actions.{module}" in page
    assert (ROOT / "experiments" / f"{name}.yaml").is_file()
    assert (ROOT / "tests" / "actions" / f"test_{module}.py").is_file()
    for heading in ("What it does not touch", "What ends it", "How it is proven", "What it needs"):
        assert f"## {heading}" in page


@pytest.mark.parametrize("name", names())
def test_fault_declares_what_the_reference_says_of_it(name: str) -> None:
    declared = fault(name)
    assert declared.__doc__
    assert declared.needs
    text = (DOCS / "commands.md").read_text()
    for parameter in parameters(declared):
        assert f"`{parameter.option}" in text


def test_command_reference_is_what_the_commands_say() -> None:
    assert (DOCS / "commands.md").read_text() == reference() + "\n", (
        "run: python -m runner.cli.reference > docs/commands.md"
    )


def test_table_of_faults_is_what_the_faults_say() -> None:
    assert (DOCS / "faults.md").read_text() == table() + "\n", "run: make docs"


@pytest.mark.parametrize("name", names())
def test_table_of_faults_says_all_of_each(name: str) -> None:
    declared = fault(name)
    row = next(line for line in table().splitlines() if line.startswith(f"| [{name}]"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert all(cells)
    assert len(cells) == 7
    assert cells[3:5] == [declared.mechanism, f"`{declared.ends_by}`"]
    assert all(need in cells[6] for need in declared.needs)


def test_settings_of_chaosctl_yaml_are_documented() -> None:
    text = (DOCS / "configuration.md").read_text()
    for definition in json_schema()["$defs"].values():
        for setting in definition.get("properties", {}):
            assert setting in text, setting


def test_probes_are_documented() -> None:
    text = (DOCS / "probes.md").read_text()
    for probe in ("probes.prometheus", "instant", "window", "probes.dns", "resolves"):
        assert probe in text, probe


def test_readme_leads_to_pages_that_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    linked = [part.split(")")[0] for part in text.split("](")[1:]]
    assert linked
    assert [link for link in linked if not link.startswith("http") and not (ROOT / link).exists()] == []
