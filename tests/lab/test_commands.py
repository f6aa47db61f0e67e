import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lab import commands
from runner.errors import CommandFailed, Missing

_REQUIRE = "from lab.commands import require_tools; require_tools()"


@pytest.fixture
def nobody() -> Iterator[None]:
    os.seteuid(65534)
    yield
    os.seteuid(0)


def test_without_root_it_says_how_to_get_it(nobody: None) -> None:
    with pytest.raises(Missing, match="only root") as missing:
        commands.require_root()
    assert "sudo" in missing.value.fix


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    etcd = shutil.which("etcd", path=commands.ENVIRONMENT["PATH"]) or ""
    hide = f'mount --bind /dev/null "{etcd}" && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", hide, "sh", sys.executable, "-c", _REQUIRE]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr
    assert "The lab needs Debian packages that are not installed: etcd-server. In a checkout" in said
    assert said.strip().endswith("apt-get install etcd-server")


def test_a_failed_command_is_told_with_its_own_words(lock: int) -> None:
    with pytest.raises(CommandFailed, match=r"`ip link show nosuch` at this machine ended with 1: Device .nosuch."):
        commands.run(["ip", "link", "show", "nosuch"], lock)


def test_a_command_is_given_its_input_and_its_output_is_returned(lock: int) -> None:
    assert commands.run(["cat"], lock, "link show lo\n") == "link show lo\n"


def test_ip_is_asked_in_json() -> None:
    assert [link["ifname"] for link in commands.ask(["ip", "-j", "link", "show", "lo"])] == ["lo"]
