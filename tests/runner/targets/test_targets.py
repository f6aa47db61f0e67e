"""What every way to reach a target must do: one body, run on each of them."""

import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import CommandFailed, Missing, UsageError
from runner.model import Command
from runner.targets import Target, reach, schemes
from runner.targets.netns import Netns


@pytest.fixture(params=["local", "netns"])
def at(request: pytest.FixtureRequest) -> Target:
    """Each target in turn."""
    if request.param == "local":
        return reach("local")
    made: Callable[[], Netns] = request.getfixturevalue("namespaces")
    return made()


def test_schemes_are_the_files() -> None:
    assert schemes() == ("local", "netns")


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


def test_run_keeps_descriptors_open_that_are_passed_and_no_others(at: Target, tmp_path: Path) -> None:
    with (tmp_path / "one").open("w") as passed, (tmp_path / "other").open("w") as kept:
        opened = at.run(Command(("ls", "-l", "/proc/self/fd")), pass_fds=(passed.fileno(),))
        assert str(passed.name) in opened
        assert str(kept.name) not in opened


def test_socket_stays_in_the_target_whichever_thread_uses_it(at: Target) -> None:
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
    at.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    after = os.stat("/proc/self/ns/net").st_ino, os.stat("/proc/thread-self/ns/net").st_ino  # noqa: PTH116 - a magic link
    assert before == after


@pytest.mark.parametrize("written", ["pod:x", "payment-api", "", "netns", "netns:", "netns:a/b", "netns:..", "local:x"])
def test_what_is_no_target_is_refused_with_what_to_write(written: str) -> None:
    with pytest.raises(UsageError, match="is not a target") as refused:
        reach(written)
    assert refused.value.fix
