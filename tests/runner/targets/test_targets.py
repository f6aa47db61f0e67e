"""What every way to reach a target must do: one body, run on each of them."""

import fcntl
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.errors import CommandFailed, Missing, UsageError
from runner.looking import look
from runner.model import Command, ProbeCall, Sight
from runner.targets import Looking, Target, reach, schemes
from runner.targets.netns import Netns
from tests._sshd import Sshd, sshd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One real sshd for all that is reached through it."""
    with sshd(tmp_path_factory.mktemp("ssh") / "server") as made:
        yield made


@pytest.fixture(params=["local", "netns", "ssh"])
def at(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Each target in turn."""
    if request.param == "local":
        return reach("local")
    if request.param == "ssh":
        server: Sshd = request.getfixturevalue("server")
        monkeypatch.setenv("CHAOSCTL_SSH_CONFIG", str(server.config))
        return reach(server.target)
    made: Callable[[], Netns] = request.getfixturevalue("namespaces")
    return made()


def test_schemes_are_the_files() -> None:
    assert {"local", "netns", "node", "pod", "ssh"} <= set(schemes())


def test_arguments_arrive_as_they_were_given(at: Target) -> None:
    """Whatever a shell on the way would make of them."""
    odd = "a b", "$HOME", "`id`", "'", '"', "*", "two\nlines", "", "-n", "\\", "Ä"
    assert at.run(Command(("printf", "%s|", *odd))) == "".join(f"{word}|" for word in odd)


def test_it_is_a_target_and_can_be_reached_again_by_its_name(at: Target) -> None:
    assert isinstance(at, Target)
    assert reach(at.name).identity() == at.identity()


def test_run_hands_over_stdin_and_returns_what_was_printed(at: Target) -> None:
    assert at.run(Command(("cat",), "two\nlines\n")) == "two\nlines\n"


def test_run_without_stdin_does_not_wait_for_one(at: Target) -> None:
    assert at.run(Command(("cat",))) == ""


def test_run_raises_with_target_command_status_and_error_text(at: Target) -> None:
    with pytest.raises(CommandFailed) as failed:
        at.run(Command(("sh", "-c", "echo out; echo why >&2; exit 7")))
    assert (failed.value.target, failed.value.status, failed.value.stderr) == (at.name, 7, "why\n")
    assert f"at {at.name} ended with 7: why" in failed.value.message


def test_run_ends_what_does_not_answer_in_time(at: Target) -> None:
    at.run(Command(("true",)))
    with pytest.raises(CommandFailed, match=r"no answer within 0\.2 s"):
        at.run(Command(("sleep", "60")), timeout=0.2)


def test_run_says_how_to_install_what_is_missing(at: Target) -> None:
    with pytest.raises(Missing, match="`no-such-tool` is not installed") as missing:
        at.run(Command(("no-such-tool",)))
    assert "apt-get install" in missing.value.fix


def test_run_says_what_may_not_be_run(at: Target, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    with pytest.raises(Missing, match=re.escape(f"`{tool}` could not be run at {at.name}: Permission denied.")):
        at.run(Command((str(tool),)))


def test_run_tells_a_missing_privilege_from_a_failure(at: Target) -> None:
    with pytest.raises(Missing, match="was not permitted") as missing:
        at.run(Command(("sh", "-c", "echo 'Error: Operation not permitted' >&2; exit 1")))
    assert "root" in missing.value.fix


def test_run_takes_output_that_is_not_text(at: Target) -> None:
    """Other people's rules may have comments in any encoding; they must not keep ours from being listed."""
    assert at.run(Command(("printf", r"a\377b"))) == "a\N{REPLACEMENT CHARACTER}b"


def test_lock_that_is_passed_is_held_as_long_as_the_command_runs(at: Target, tmp_path: Path) -> None:
    """Whoever passed it may be dead by then: here its descriptor is closed while the command runs."""
    flag, lock = tmp_path / "flag", tmp_path / "lock"
    until_told = f"touch {flag}.begun; while ! [ -e {flag} ]; do sleep 0.02; done"
    at.run(Command(("true",)))
    with lock.open("w") as passed:
        fcntl.flock(passed, fcntl.LOCK_EX)
        running = threading.Thread(
            target=at.run, args=(Command(("sh", "-c", until_told)), 60.0), kwargs={"pass_fds": (passed.fileno(),)}
        )
        running.start()
        while not flag.with_suffix(".begun").exists():
            threading.Event().wait(0.02)
    with lock.open("w") as another:
        with pytest.raises(BlockingIOError):
            fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)
        flag.touch()
        running.join()
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_descriptors_that_are_not_passed_are_not_open_there(at: Target, tmp_path: Path) -> None:
    with (tmp_path / "other").open("w") as kept:
        assert str(kept.name) not in at.run(Command(("ls", "-l", "/proc/self/fd")))


def test_look_is_made_from_within_the_targets_network(at: Target, namespaces: Callable[[], Netns]) -> None:
    """Something listens on the target's loopback, and nothing on that of another namespace."""
    listening = at if isinstance(at, Netns) else reach("local")
    with listening.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        call = ProbeCall("tests._probes:accepts", {"port": server.getsockname()[1]})
        first = look(at, call, None)
        assert (first.sight, first.detail) == (Sight.PRESENT, f"{at.name} accepts")
        assert look(at, call, first).detail == f"{at.name} accepts as before"
        assert look(namespaces(), call, None).sight is Sight.ABSENT


def test_socket_stays_in_the_target_whichever_thread_uses_it(at: Target) -> None:
    if isinstance(at, Looking):
        with pytest.raises(Missing, match=f"No socket of this machine is in the network of {at.name}"):
            at.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return
    with at.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        port = made.getsockname()[1]
        seen: list[str] = []
        looking = threading.Thread(target=lambda: seen.append(at.run(Command(("ss", "-lnHu")))))
        looking.start()
        looking.join()
        assert f"127.0.0.1:{port} " in seen[0]


def test_this_process_stays_where_it_is(at: Target) -> None:
    before = os.stat("/proc/self/ns/net").st_ino, os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116 - a magic link
    at.run(Command(("true",)))
    if not isinstance(at, Looking):
        at.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    after = os.stat("/proc/self/ns/net").st_ino, os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116 - a magic link
    assert before == after


@pytest.mark.parametrize(
    "written",
    [
        "way:x",
        "ssh",
        "ssh:-oProxyCommand=x",
        "ssh:a b",
        "ssh:a;b",
        "payment-api",
        "",
        "netns",
        "netns:",
        "netns:a/b",
        "netns:..",
        "local:x",
    ],
)
def test_what_is_no_target_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(UsageError, match="is not a target") as refused:
        reach(written)
    assert refused.value.fix
