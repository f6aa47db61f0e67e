"""network-dns where nft or the kernel cannot have it: named before anything is at fault, and never proven."""

import stat
from pathlib import Path

import pytest

from actions.network_dns import _BASES, NetworkDns
from runner.errors import Inconclusive, Missing
from runner.together import each
from tests._inject import healed, injected, injection
from tests._network import FULL, SERVER_V4, Network


def wrapped_nft(directory: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a stand-in for nft first on PATH; `real` is the real one."""
    stand_in = directory / "bin" / "nft"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\nreal=/usr/sbin/nft\n{script}\n")
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:/usr/sbin:/usr/bin:/sbin:/bin")
    _BASES.clear()


WITHOUT_IH = """
input=$(cat)
case "$input" in *@ih*) echo 'Error: syntax error, unexpected ih' >&2; exit 1;; esac
printf '%s\\n' "$input" | exec $real "$@"
"""


@pytest.mark.parametrize("mode", ["timeout", "refused"])
def test_nft_without_inner_headers_still_faults_udp_and_says_so(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """A stand-in for nft before 1.0.1: it knows no @ih."""
    net.run("nft", "add", "table", "inet", "notcp")
    net.run("nft", "add chain inet notcp input { type filter hook input priority 0; }")
    net.run("nft", "add rule inet notcp input tcp sport 53 reject with tcp reset")
    wrapped_nft(tmp_path, monkeypatch, WITHOUT_IH)
    made = injected("network-dns", target="redis-cluster", mode=mode, where=net.client.name, duration="60s")
    net.dig("+notcp", f"@{SERVER_V4}", FULL)
    assert healed(made).hits == 1
    assert any("lookups over TCP still succeed" in note for note in made.account()["notes"])
    net.run("nft", "delete", "table", "inet", "notcp")
    _BASES.clear()


def test_without_inner_headers_a_fault_that_tcp_escapes_is_not_proven(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapped_nft(tmp_path, monkeypatch, WITHOUT_IH)
    made = injection("network-dns", target="redis-cluster", where=net.client.name, duration="2s")
    with pytest.raises(Inconclusive, match="answered one way and not another"):
        made.start()
    _BASES.clear()


@pytest.mark.parametrize("mode", ["servfail", "nxdomain"])
def test_nft_without_inner_headers_refuses_what_needs_them(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    wrapped_nft(tmp_path, monkeypatch, WITHOUT_IH)
    with pytest.raises(Missing, match=rf"--mode={mode} cannot be had.*kernel 5\.16"):
        injection("network-dns", target="redis-cluster", mode=mode, where=net.client.name).start()
    _BASES.clear()


def test_kernel_without_nf_tables_is_named(net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for nft on a kernel built without nf_tables."""
    wrapped_nft(
        tmp_path, monkeypatch, 'echo "netlink: Error: cache initialization failed: Protocol not supported" >&2; exit 1'
    )
    with pytest.raises(Missing, match=r"cannot be looked for.*cache initialization failed.*kernel 4.10"):
        injection("network-dns", target="redis-cluster", where=net.client.name).start()
    _BASES.clear()


def test_many_that_ask_at_once_have_a_kernel_tried_once(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = tmp_path / "tried"
    wrapped_nft(tmp_path, monkeypatch, f'case "$*" in *-c*) echo "$*" >>{tried};; esac; exec $real "$@"')

    def plan(number: int) -> None:
        NetworkDns(target="redis-cluster").steps(net.client, f"aa2{number}", 5.0)

    each(plan, range(8))
    assert len(tried.read_text().splitlines()) == 1
    _BASES.clear()


def test_missing_nft_is_named_with_its_package(net: Network, tmp_path: Path) -> None:
    _BASES.clear()
    (tmp_path / "sh").symlink_to("/bin/sh")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        with pytest.raises(Missing, match=r"`nft` is not installed.*apt-get install nftables"):
            injection("network-dns", target="redis-cluster", where=net.client.name).start()


def test_fault_that_does_nothing_is_not_proven(net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for nft that swallows the rules, as a fault whose mechanism broke."""
    wrapped_nft(tmp_path, monkeypatch, 'case "$*" in "-f -") cat >/dev/null; exit 0;; esac; exec $real "$@"')
    made = injection("network-dns", target="redis-cluster", where=net.client.name, duration="2s")
    with pytest.raises(Inconclusive, match="The fault did not show"):
        made.start()
    assert [course.effective for course in made.courses] == [None]
    _BASES.clear()
