"""disk-fill on real file systems of the tests' own."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import Inconclusive, Refused
from runner.paths import state_dir
from runner.targets.netns import Netns
from tests._inject import healed, injected, injection
from tests._service import breaking


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with 32 MiB, and a file on it that must come to no harm."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", place], check=True)
    (place / "theirs").write_text("theirs")
    try:
        yield place
        assert [path.name for path in place.iterdir()] == ["theirs"]
        assert (place / "theirs").read_text() == "theirs"
    finally:
        subprocess.run(["umount", place], check=True)


def write(file: Path, size: int) -> int:
    """Try to write so many bytes; returns the error's number, 0 where it went well."""
    try:
        file.write_bytes(b"x" * size)
    except OSError as error:
        return error.errno or -1
    finally:
        file.unlink(missing_ok=True)
    return 0


def test_nobody_can_write_until_it_is_over(namespace: Netns, disk: Path) -> None:
    assert write(disk / "more", 1 << 20) == 0
    with (disk / "theirs").open("r+b") as writer:
        made = injected("disk-fill", path=str(disk), where=namespace.name, duration="1h")
        assert write(disk / "more", 1 << 20) == errno.ENOSPC
        os.pwrite(writer.fileno(), b"t", 0)
        assert [path.name for path in disk.iterdir()] == ["theirs"], "what takes the room has no name"
        healed(made)
    assert write(disk / "more", 1 << 20) == 0
    assert made.healed
    assert made.hits is not None
    assert made.hits > 0, "somebody with a file open there wrote"


def test_room_is_left_where_it_is_asked_for(namespace: Netns, disk: Path) -> None:
    made = injected("disk-fill", path=str(disk), leave="8MiB", where=namespace.name, duration="1h")
    assert write(disk / "more", 7 << 20) == 0
    assert write(disk / "more", 9 << 20) == errno.ENOSPC
    healed(made)


def test_file_that_takes_too_little_is_not_proven(
    namespace: Netns, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, leave=16 << 20)
    with pytest.raises(Inconclusive, match=r"did not show at .* MiB free"):
        injected("disk-fill", path=str(disk), where=namespace.name, duration="2s")


def test_file_system_of_the_ledger_is_refused(namespace: Netns) -> None:
    state_dir().parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(Refused, match=r"file system of chaosctl's own ledger .* Nothing was touched"):
        injection("disk-fill", path=str(state_dir().parent), where=namespace.name).start()


def test_path_that_is_not_there_is_named(namespace: Netns) -> None:
    with pytest.raises(Exception, match="No such file or directory"):
        injection("disk-fill", path="/nowhere", where=namespace.name).start()
