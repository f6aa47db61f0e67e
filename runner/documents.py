"""YAML files whose errors name file, line, field and what was expected."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from runner.errors import InvalidFile

__all__ = ["Document"]

_M = TypeVar("_M", bound=BaseModel)
Place = Iterable[str | int]
_MEND = "Mend the file there; indentation, quotes and brackets are what YAML is particular about."
_TOLD = {"extra_forbidden": "is not a key that is known here.", "missing": "is missing here."}
_KINDS: dict[type, str] = {dict: "keys and values", list: "a list"}


@dataclass(frozen=True)
class Document:
    """One parsed file; `data` is what it says, `node` where it says it."""

    path: Path
    data: Any
    node: yaml.Node | None

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Return the file's document; raises InvalidFile where it cannot be read or is not YAML (or JSON)."""
        try:
            text = path.read_text()
            return cls(path, yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader))
        except OSError as error:
            fix = "Name a file that is there, and that this user may read."
            raise InvalidFile(str(path), "file", f"cannot be read: {error.strerror}.", fix) from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise InvalidFile(f"{path}:{line}", "syntax", f"{error.problem or 'not YAML'}.", _MEND) from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise InvalidFile(str(path), "syntax", f"not YAML: {' '.join(str(error).split())}.", _MEND) from error

    def validated(self, model: type[_M], fix: str = "") -> _M:
        """Return the document as that model; raises InvalidFile for the first thing that does not fit."""
        try:
            return model.model_validate(self.data or {})
        except ValidationError as error:
            raise self.invalid(error, fix) from error

    def invalid(self, error: ValidationError, fix: str, below: Place = ()) -> InvalidFile:
        """Return the error that names what pydantic found first; `below` is where in the file it looked."""
        first = error.errors()[0]
        return self.wrong([*below, *first["loc"]], _expected(first), fix)

    def wrong(self, place: Place, expected: str, fix: str = "") -> InvalidFile:
        """Return the error for one place in the file: keys and list positions from the top."""
        steps = list(place)
        dotted = ".".join(str(step) for step in steps) or "file"
        return InvalidFile(f"{self.path}:{self._line(steps)}", dotted, expected, fix)

    def _line(self, steps: Place) -> int:
        node, line = self.node, self.node.start_mark.line if self.node else 0
        for step in steps:
            found = next(_children(node, step), None)
            if found is None:
                break
            key, node = found
            line = key.start_mark.line
        return line + 1


def _children(node: yaml.Node | None, step: str | int) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((key, value) for key, value in node.value if key.value == str(step))
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        yield node.value[step], node.value[step]


def _expected(found: Any) -> str:
    """Return what pydantic expected, in words for people who write YAML."""
    if told := _TOLD.get(found["type"]):
        return told
    given = found["input"]
    shown = repr(given) if isinstance(given, str | int | float | bool) else _KINDS.get(type(given), "nothing")
    return f"{found['msg'].removeprefix('Value error, ').rstrip('.')} (this is {shown})."
