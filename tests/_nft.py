"""Stand-ins for nft that do something first, on a PATH of the test's own."""

import os
import shutil
import stat
from pathlib import Path

import pytest


def stand_in(directory: Path, script: str) -> str:
    """Return a PATH on which `nft` is this shell script; in it `$real` is the real one."""
    tool = directory / "stand-in" / "nft"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\nreal={shutil.which('nft', path=os.environ['PATH'])}\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    return f"{tool.parent}:{os.environ['PATH']}"


def use(patch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Let this process find that stand-in; call it once a test, before anything else of PATH is changed."""
    patch.setenv("PATH", stand_in(directory, script))
