"""Records that wait on disk for their store: one file each, whole or not there at all."""

import os
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, unquote

from pydantic import ValidationError

from reports.place import resolved, without_password
from reports.record import Record, Start
from reports.verdict import judged
from runner.errors import ChaosctlError, Unreachable
from runner.paths import state_dir

__all__ = ["note_start", "put", "read", "remove", "stores", "waiting"]

_RECORD = ".record.json"
_START = ".start.json"
_ABANDONED_SECONDS = 3600.0


def put(record: Record, store_url: str = "") -> Path:
    """Keep a record, judged, until its store can take it; the same record twice is one file.

    Raises Unreachable where the spool cannot be written.
    """
    whole = judged(record)
    return _write(f"{quote(whole.run, safe='')}.{whole.address()[:16]}{_RECORD}", whole.canonical(), store_url)


def note_start(start: Start, store_url: str = "") -> Path:
    """Keep the fact that a run has begun; raises Unreachable where the spool cannot be written."""
    return _write(f"{quote(start.run, safe='')}{_START}", start.model_dump_json().encode(), store_url)


def waiting(store_url: str = "") -> list[Path]:
    """Return what waits for that store, the starts first."""
    return sorted(_folder(store_url).glob("*.json"), key=lambda path: (path.name.endswith(_RECORD), path.name))


def stores() -> list[str]:
    """Return the URLs, without passwords, of all stores that something waits for."""
    return sorted(unquote(folder.name) for folder in _spool().glob("*") if any(folder.glob("*.json")))


def read(path: Path) -> Record | Start | None:
    """Return what a file of the spool holds, or None where another process has delivered it meanwhile.

    Raises ChaosctlError for a file that is damaged or that another version wrote.
    """
    kind = Record if path.name.endswith(_RECORD) else Start
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ChaosctlError(
            f"{path} cannot be read as a {kind.__name__.lower()} by this version of chaosctl: {_first_line(error)}.",
            "It stays where it is. Deliver it with the version that wrote it, or move it away.",
        ) from error


def remove(path: Path) -> None:
    """Remove a file that was delivered; one that is gone already is no error."""
    path.unlink(missing_ok=True)


def _spool() -> Path:
    return state_dir() / "spool"


def _folder(store_url: str) -> Path:
    return _spool() / quote(without_password(resolved(store_url)), safe="")


def _write(name: str, content: bytes, store_url: str) -> Path:
    path = _folder(store_url) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        _replace(path, content)
    except OSError as error:
        raise Unreachable(
            f"{path} cannot be written: {error.strerror}.",
            "Free space there, or make it writable; XDG_STATE_HOME chooses another place.",
        ) from error
    return path


def _sweep(folder: Path) -> None:
    """Remove what writers that were killed left half written: nothing takes an hour to write."""
    before = time.time() - _ABANDONED_SECONDS
    for path in folder.glob(".*"):
        try:
            if path.stat().st_mtime < before:
                path.unlink()
        except FileNotFoundError:  # its writer was only slow, or another has swept it
            continue


def _replace(path: Path, content: bytes) -> None:
    """Write, fsync and rename, so that a crash at any moment leaves the whole file or none."""
    handle, temporary = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _first_line(error: Exception) -> str:
    return "; ".join(str(error).splitlines()[:3])
