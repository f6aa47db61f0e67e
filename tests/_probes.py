"""Probes and actions for experiments of the tests' own."""

import socket
import time
from pathlib import Path

from runner.model import Look, Sight, clock
from runner.targets import Target


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


def accepts(at: Target, before: Look | None, port: int) -> Look:
    """See whether something accepts connections on a port of the target's loopback."""
    asked = clock()
    with at.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(10)
        taken = made.connect_ex(("127.0.0.1", port)) == 0
    told = f"{at.name} {'accepts' if taken else 'refuses'}{' as before' if before else ''}"
    return Look(asked, clock(), Sight.PRESENT if taken else Sight.ABSENT, told)
