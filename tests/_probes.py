"""Probes and actions for experiments of the tests' own."""

import time
from pathlib import Path


def always(value: object) -> object:
    """Return what it was given."""
    return value


def while_absent(path: str) -> bool | None:
    """Return True until the file is there, then nothing at all."""
    return None if Path(path).exists() else True


def takes_long(path: str) -> None:
    """Leave a file and be busy for a minute; when interrupted, take a second to put things right, and say so."""
    Path(path).touch()
    try:
        time.sleep(60)
    finally:
        time.sleep(1)
        Path(f"{path} is put right").touch()


def fails_once_there(path: str) -> bool:
    """Return True until the file is there, then fail."""
    if Path(path).exists():
        raise RuntimeError("nobody answers")
    return True
