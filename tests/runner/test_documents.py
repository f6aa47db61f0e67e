"""YAML files whose errors say where."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from runner.documents import Document
from runner.errors import InvalidFile


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = ""
    inner: list[Inner] = []


def file(directory: Path, text: str | bytes) -> Path:
    made = directory / "x.yaml"
    made.write_bytes(text if isinstance(text, bytes) else text.encode())
    return made


def test_document_that_fits_is_the_model(tmp_path: Path) -> None:
    made = Document.read(file(tmp_path, "name: a\ninner:\n  - count: 3\n")).validated(Outer)
    assert made == Outer(name="a", inner=[Inner(count=3)])


def test_empty_document_is_all_defaults(tmp_path: Path) -> None:
    assert Document.read(file(tmp_path, "# nothing\n")).validated(Outer) == Outer()


def test_json_is_yaml(tmp_path: Path) -> None:
    assert Document.read(file(tmp_path, '{"name": "a"}')).validated(Outer).name == "a"


@pytest.mark.parametrize(
    ("text", "line", "field", "expected"),
    [
        ("name: a\nnmae: b\n", 2, "nmae", "is not a key that is known here."),
        ("name: 5\n", 1, "name", "Input should be a valid string (this is 5)."),
        ("inner:\n  - count: 1\n  - count: x\n", 3, "inner.1.count", "valid integer"),
        ("inner:\n  - count: 1\n  -\n    other: 2\n", 4, "inner.1.count", "is missing here."),
        ("\n\ninner: {a: 1}\n", 3, "inner", "valid list (this is keys and values)."),
        ("- a\n- b\n", 1, "file", "valid dictionary"),
        ("name: [a\n", 2, "syntax", "expected ',' or ']'"),
        ("a: 1\n---\nb: 2\n", 2, "syntax", "but found another document"),
        ("name: !!python/object:os.system x\n", 1, "syntax", "could not determine a constructor"),
    ],
)
def test_what_does_not_fit_is_named_with_file_line_and_field(
    tmp_path: Path, text: str, line: int, field: str, expected: str
) -> None:
    path = file(tmp_path, text)
    with pytest.raises(InvalidFile) as invalid:
        Document.read(path).validated(Outer, "Mend it.")
    assert invalid.value.fix
    assert expected in invalid.value.expected
    assert (invalid.value.where, invalid.value.field) == (f"{path}:{line}", field)


@pytest.mark.parametrize(
    "text",
    [
        b"name: \xff\xfe\n",
        b"name: a\x00b\n",
        b"day: 2026-13-45\n",
        b"[" * 3000,
        "name: \ud800".encode("utf-8", "surrogatepass"),
    ],
)
def test_what_is_no_text_or_no_yaml_is_named_all_the_same(tmp_path: Path, text: bytes) -> None:
    path = file(tmp_path, text)
    with pytest.raises(InvalidFile, match=r"not YAML|expected the node content|stream end") as invalid:
        Document.read(path)
    assert invalid.value.where.startswith(str(path))
    assert "\n" not in str(invalid.value)


@pytest.mark.parametrize(("path", "reason"), [("nowhere.yaml", "No such file"), (".", "Is a directory")])
def test_what_cannot_be_read_is_named(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(InvalidFile, match=f"cannot be read: {reason}"):
        Document.read(tmp_path / path)
