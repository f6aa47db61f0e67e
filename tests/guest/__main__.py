"""`python -m tests.guest COMMAND...`: run a command in a guest, and print what it prints."""

import shlex
import sys
import tempfile
import threading
from pathlib import Path

import click

from tests.guest.machine import Guest, lacking


def main() -> int:
    """Return the command's exit status."""
    if why := lacking():
        sys.exit(f"No guest can be had here: {why}.")
    argv = ["sh", "-c", f"{shlex.join(sys.argv[1:])} >/run/share/out 2>&1"]
    with tempfile.TemporaryDirectory(prefix="guest-") as place, Guest(Path(place) / "share", argv, {}, 600) as guest:
        while guest.runs:
            threading.Event().wait(0.1)
        click.echo((guest.share / "out").read_text() if (guest.share / "out").exists() else guest.said())
        return guest.status if guest.status is not None else 1


if __name__ == "__main__":
    sys.exit(main())
