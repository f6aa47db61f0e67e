"""The spool: whole files or none, and nothing heavy to import."""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from reports import spool
from reports.record import Start
from reports.verdict import judged
from runner.errors import ChaosctlError, Unreachable
from tests.reports._processes import go, processes, run
from tests.reports._records import EXPERIMENT, ORIGIN, START, record

BEGUN = Start(run="run-1", experiment=EXPERIMENT, origin=ORIGIN, started=START)

WRITE_BEYOND_A_LIMIT = """
import resource
from reports import spool
from runner.errors import Unreachable
from tests.reports._records import record
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    spool.put(record())
except Unreachable as error:
    print(error)
"""


def test_a_record_waits_judged_and_comes_back_as_it_was() -> None:
    path = spool.put(record())
    assert spool.waiting() == [path]
    assert spool.read(path) == judged(record())
    assert path.read_bytes() == judged(record()).canonical()


def test_the_same_record_twice_is_one_file_and_another_is_another() -> None:
    assert spool.put(record()) == spool.put(record()) == spool.put(judged(record()))
    assert spool.put(record(ended=START + 181)) in spool.waiting()
    assert len(spool.waiting()) == 2


def test_starts_come_before_records() -> None:
    kept = spool.put(record(run="a"))
    begun = spool.note_start(BEGUN)
    assert spool.waiting() == [begun, kept]
    assert spool.read(spool.waiting()[0]) == BEGUN


def test_each_store_has_its_own_and_no_password_is_written(tmp_path: Path) -> None:
    url = "postgresql://ada:secret@db/chaos"
    path = spool.put(record(), url)
    assert spool.waiting() == []
    assert spool.waiting("postgresql://ada:rotated@db/chaos") == [path]
    assert spool.stores() == ["postgresql://ada@db/chaos"]
    assert not any("secret" in str(found) for found in tmp_path.rglob("*"))


def test_the_default_store_named_or_not_is_one(state: Path) -> None:
    path = spool.put(record())
    assert spool.waiting(f"sqlite:///{state}/store.db") == [path]


def test_a_run_cannot_name_a_file_elsewhere(state: Path) -> None:
    path = spool.put(record(run="../../../etc/x"))
    assert path.parent.parent == state / "spool"
    assert spool.waiting() == [path]


def test_what_was_removed_or_delivered_by_another_is_no_error() -> None:
    path = spool.put(record())
    spool.remove(path)
    spool.remove(path)
    assert spool.read(path) is None
    assert spool.waiting() == []
    assert spool.stores() == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 2}', b'{"run": "x"'])
def test_a_file_that_cannot_be_read_stays_and_is_named(content: bytes) -> None:
    path = spool.put(record())
    path.write_bytes(content)
    with pytest.raises(ChaosctlError, match=r"record\.json cannot be read as a record") as caught:
        spool.read(path)
    assert "It stays where it is" in caught.value.fix
    assert path.exists()


def test_a_disk_that_takes_no_more_leaves_no_half_file(state: Path) -> None:
    assert "File too large" in run(WRITE_BEYOND_A_LIMIT)
    assert [path for path in (state / "spool").rglob("*") if path.is_file()] == []


def struck(path: Path, content: bytes, strike: int) -> bool:
    """Write a file in a process of its own, killed at that call into the system; whether it was killed."""
    child = os.fork()
    if child == 0:
        calls = itertools.count()

        def count(_frame: object, event: str, _called: object) -> None:
            if event in ("c_call", "c_return") and next(calls) == strike:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        spool._replace(path, content)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("there", [False, True])
def test_a_kill_before_or_after_any_call_of_a_write_leaves_the_whole_record_or_none(*, there: bool) -> None:
    """Each call into C is struck once before and once after it: open, write, flush, fsync, rename and all between."""
    content = judged(record()).canonical()
    path = spool.put(record())
    seen = {True: 0, False: 0}
    for strike in itertools.count():
        path.unlink(missing_ok=True)
        if there:
            path.write_bytes(content)
        if not struck(path, content, strike):
            break
        found = spool.waiting()
        assert found == [path] or (found == [] and not there), strike
        assert not found or path.read_bytes() == content, strike
        seen[bool(found)] += 1
    assert seen[True] > 3, "after the rename it is there"
    assert seen[False] > 20 or there, "before it nothing is"
    assert path.read_bytes() == content, "and undisturbed it is written"


def test_a_file_appears_only_when_it_is_whole_and_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[Path]] = []
    synced = os.fsync

    def looking(handle: int) -> None:
        seen.append(spool.waiting())
        synced(handle)

    monkeypatch.setattr(os, "fsync", looking)
    path = spool.put(record())
    assert seen == [[], [path]]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(Unreachable, match="Not a directory"):
        spool.note_start(BEGUN)


def test_records_verdicts_texts_and_the_spool_import_nothing_heavy() -> None:
    modules = "reports.record, reports.spool, reports.verdict, reports.text"
    loaded = json.loads(run(f"import json, sys, {modules}; print(json.dumps(sorted(sys.modules)))"))
    assert "reports.text" in loaded
    heavy = {
        "alembic",
        "chaoslib",
        "click",
        "fastapi",
        "httpx",
        "kubernetes",
        "requests",
        "rich",
        "sqlalchemy",
        "structlog",
    }
    assert heavy.isdisjoint(name.partition(".")[0] for name in loaded)


KILLED_WHILE_IT_WRITES = """
import os, signal
from reports import spool
from tests.reports._records import record
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
spool.put(record())
"""


def test_what_a_killed_writer_left_is_swept_once_it_is_old_and_no_younger_one_is(tmp_path: Path) -> None:
    with processes(KILLED_WHILE_IT_WRITES, [""]) as (writer,):
        go([writer])
        assert writer.wait(60) == -signal.SIGKILL
    assert spool.waiting() == []
    (left,) = (found for found in tmp_path.rglob(".*") if found.is_file())
    kept = spool.put(record(run="next"))
    assert left.exists(), "it might still be written"
    os.utime(left, (0, 0))
    assert spool.put(record(run="next")) == kept
    assert [found for found in tmp_path.rglob(".*") if found.is_file()] == []
