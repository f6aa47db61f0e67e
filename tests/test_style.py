"""The size of things: short functions, short files, and nothing that speaks of anything but the product."""

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PARTS = ("actions", "probes", "runner", "reports", "lab", "bench")
LONGEST_FUNCTION = 60
LONGEST_FILE = 300
MEDIAN_FUNCTION = 10


def sources(*parts: str) -> list[Path]:
    return [file for part in parts for file in sorted((ROOT / part).rglob("*.py"))]


def functions(file: Path) -> list[tuple[str, int]]:
    """Return name and length in lines of each function, its docstring left out."""
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            first = node.body[1 if documented and len(node.body) > 1 else 0]
            found.append((f"{file.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - first.lineno + 2))  # type: ignore[operator]
    return found


def test_no_function_is_long() -> None:
    long = [entry for file in sources(*PARTS, "tests") for entry in functions(file) if entry[1] > LONGEST_FUNCTION]
    assert long == []


def test_most_functions_are_short() -> None:
    lengths = [length for file in sources(*PARTS) for _, length in functions(file)]
    assert statistics.median(lengths) <= MEDIAN_FUNCTION


@pytest.mark.parametrize("part", [*PARTS, "tests"])
def test_no_file_is_long(part: str) -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in sources(part)
        if (lines := len(file.read_text().splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_public_things_say_what_they_are() -> None:
    silent = []
    for file in sources(*PARTS):
        tree = ast.parse(file.read_text())
        silent += [str(file.relative_to(ROOT))] * (ast.get_docstring(tree) is None)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                silent += [f"{file.relative_to(ROOT)}: {node.name}"] * (ast.get_docstring(node) is None)
    assert silent == []


def test_pins_name_no_place() -> None:
    """Where packages come from is the machine's business, not the repository's."""
    pins = (ROOT / "requirements.txt").read_text()
    assert "://" not in pins
    assert "find-links" not in pins
    assert "index-url" not in pins


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    texts = {name: (ROOT / name).read_text(errors="replace") for name in listed.splitlines() if (ROOT / name).is_file()}
    place = re.compile(r"(?<!\$1\")(?<![\w$})\]])/(?:work|root|home/user)/")
    assert [(name, found[0]) for name, text in texts.items() if (found := place.search(text))] == []
