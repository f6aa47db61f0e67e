"""Network namespaces that are gone, made again, or only look like some."""

import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.errors import CommandFailed, Missing, Unreachable
from runner.model import Command
from runner.targets.netns import Netns, reach
from tests._cli import AS_NOBODY
from tests._network import OURS, resolv_conf


def test_commands_see_the_network_of_the_namespace_alone(namespace: Netns) -> None:
    assert namespace.run(Command(("ip", "-brief", "link"))).split()[0] == "lo"
    assert len(namespace.run(Command(("ip", "-brief", "link"))).splitlines()) == 1


def test_whoever_went_in_comes_out_again(namespace: Netns) -> None:
    """A thread that stayed would do its next work in the wrong network."""

    def seen() -> tuple[str, str, str]:
        before = _own_network()
        inside = namespace.run(Command(("readlink", "/proc/self/ns/net"))).strip()
        with pytest.raises(CommandFailed):
            namespace.run(Command(("false",)))
        return before, inside, _own_network()

    with ThreadPoolExecutor(max_workers=1) as pool:
        for before, inside, after in (seen(), pool.submit(seen).result()):
            assert before == after == _own_network()
            assert inside != before


def _own_network() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_namespace_that_is_not_there_is_named() -> None:
    at = reach("ct-nowhere")
    with pytest.raises(Unreachable, match="There is no network namespace 'ct-nowhere' here"):
        at.run(Command(("true",)))
    with pytest.raises(Unreachable, match="There is no network namespace 'ct-nowhere' here"):
        at.identity()


def test_namespace_made_again_is_another(namespace: Netns) -> None:
    """The kernel gives a namespace's inode away again at once, so the inode alone would call it the same."""
    seen = {namespace.identity()}
    for _ in range(5):
        subprocess.run(["ip", "netns", "del", namespace.namespace], check=True)
        subprocess.run(["ip", "netns", "add", namespace.namespace], check=True)
        assert namespace.identity() not in seen
        seen.add(namespace.identity())
    assert namespace.identity() in seen


def test_file_without_a_namespace_behind_it_is_told_from_a_missing_privilege(namespace: Netns) -> None:
    """`ip netns add` makes the file before the namespace, and what dies in between leaves it."""
    left = Netns(f"ct-{OURS}-left")
    left.path.touch()
    try:
        with pytest.raises(Unreachable, match="is no network namespace: its file is there"):
            left.run(Command(("true",)))
    finally:
        left.path.unlink()


def test_without_the_privilege_to_enter_that_is_what_is_said(namespace: Netns) -> None:
    asked = f"from runner.targets import reach; reach({namespace.name!r}).identity()"
    argv = [*AS_NOBODY, sys.executable, "-c", asked]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert f"{Missing.__name__}: The network namespace of {namespace.name} could not be entered" in done.stderr
    assert "run it as root" in done.stderr


def test_resolver_is_the_namespaces_own_where_it_has_one(namespace: Netns) -> None:
    assert namespace.resolver().source == "/etc/resolv.conf"
    own = resolv_conf(namespace)
    own.parent.mkdir(parents=True)
    try:
        own.write_text("nameserver 10.99.9.9\n")
        assert namespace.resolver().nameservers == ("10.99.9.9",)
    finally:
        shutil.rmtree(own.parent)


def test_nothing_stays_open(namespace: Netns) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        namespace.identity()
        namespace.run(Command(("true",)))
        namespace.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
        with pytest.raises(Exception, match="ended with 1"):
            namespace.run(Command(("false",)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
