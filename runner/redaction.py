"""Keeps secrets out of what is stored: Chaos Toolkit hands them out resolved, and copies them into its journal."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Redactor"]

_SHORTEST = 3
_FREE = {
    *("detail", "error", "evidence", "journal", "message", "notes", "parameters", "path"),
    *("query", "reason", "residue", "sentence", "tags", "title", "tolerance", "values"),
}
_HIDDEN = "***"


class Redactor:
    """Replaces every secret it was told of, wherever it appears."""

    def __init__(self, secrets: Any) -> None:
        self._secrets = sorted(set(_texts(secrets)), key=len, reverse=True)

    def clean(self, value: Any) -> Any:
        """Return the value as plain JSON data without the secrets; numbers that JSON has no word for become text."""
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, _HIDDEN)
            return value
        if isinstance(value, Mapping):
            return {str(self.clean(key)): self.clean(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.clean(entry) for entry in value]
        if isinstance(value, float) and not math.isfinite(value):
            return str(value)
        return value if value is None or isinstance(value, bool | int | float) else self.clean(str(value))

    def clean_record(self, value: Any) -> Any:
        """Return a record's data with its free text cleaned; words that mean something, as `before`, are left."""
        if isinstance(value, Mapping):
            return {k: self.clean(v) if k in _FREE else self.clean_record(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_record(entry) for entry in value]
        return value


def _texts(value: Any) -> Iterator[str]:
    """Yield every text among secrets; one of two letters would hide half the journal, and is none."""
    if isinstance(value, Mapping):
        for entry in value.values():
            yield from _texts(entry)
    elif isinstance(value, str) and len(value) >= _SHORTEST:
        yield value
