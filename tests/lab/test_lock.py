import fcntl
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lab import lock
from lab.lock import held, make_directory
from lab.plan import Lab
from lab.processes import inhabitants, namespaces
from runner.errors import Refused


def _silent(_line: str) -> None:
    """Take a line of progress and drop it."""


def test_another_command_is_refused_after_a_while_and_told_meanwhile(
    downed_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_PATIENCE", 1.2)
    said: list[str] = []
    with held(downed_lab, _silent), pytest.raises(Refused) as refusal, held(downed_lab, said.append):
        pass
    assert said == [f"{downed_lab.name}: waiting for another command that works on this lab"]
    assert str(downed_lab.marker) in refusal.value.fix


def test_two_never_hold_it_at_once_though_each_removes_its_file(
    downed_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.lock.time.sleep", lambda _seconds: os.sched_yield())
    alone, met = threading.Lock(), []

    def take_turns() -> None:
        for _ in range(400):
            with held(downed_lab, _silent):
                met.append(not alone.acquire(blocking=False))
                os.sched_yield()
                alone.release()

    threads = [threading.Thread(target=take_turns) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(met), any(met)) == (1600, False)
    assert not downed_lab.marker.exists()


def test_a_file_that_notes_a_lab_stays(downed_lab: Lab) -> None:
    with held(downed_lab, _silent) as handle:
        os.pwrite(handle, downed_lab.to_json().encode(), 0)
    assert Lab.on_this_machine(downed_lab.name) == downed_lab


def _open_files(pid: int) -> list[str]:
    """Return what a process has open; it may close some of that while it is read."""
    files = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            files.append(str(entry.readlink()))
    assert files
    return files


def test_no_service_holds_the_lock(shared_lab: Lab) -> None:
    spaces = namespaces(shared_lab.namespace(host) for host in ("dns", "etcd", "payment-api", "traffic"))
    services = inhabitants(spaces.values())
    assert len(services) == 4
    for pid in services:
        assert not [file for file in _open_files(pid) if "chaoslab" in file]
    with shared_lab.marker.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_directory_may_be_there_already(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_in_place_of_a_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(FileExistsError):
        make_directory(tmp_path / "a")
