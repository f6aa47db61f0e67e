"""What this machine says of itself."""

from pathlib import Path

import pytest

from runner.errors import Unreachable
from runner.targets.local import Local, parse_resolv_conf

TEXT = """
# comment
domain ignored.example
search payment.svc. svc.cluster.local
nameserver 10.0.0.1
nameserver fe80::1%eth0
nameserver
nameserver 10.0.0.3
nameserver 10.0.0.4
options ndots:5
"""


def test_resolv_conf_is_read_as_glibc_reads_it(tmp_path: Path) -> None:
    """At most three servers count, the last of `search` and `domain` wins, a zone index is not part of the address."""
    file = tmp_path / "resolv.conf"
    file.write_text(TEXT)
    found = parse_resolv_conf(file)
    assert found.nameservers == ("10.0.0.1", "fe80::1", "10.0.0.3")
    assert found.search == ("payment.svc", "svc.cluster.local")
    assert found.source == str(file)


def test_domain_stands_in_for_a_search_list(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver ::1\ndomain payment.svc\n")
    assert parse_resolv_conf(file).search == ("payment.svc",)


@pytest.mark.parametrize("text", ["", "search payment.svc\n"])
def test_without_a_server_there_is_nothing_to_fault(tmp_path: Path, text: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    with pytest.raises(Unreachable, match="names no nameserver"):
        parse_resolv_conf(file)


def test_resolv_conf_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match=r"nowhere cannot be read: No such file or directory"):
        parse_resolv_conf(tmp_path / "nowhere")


def test_identity_is_the_boot() -> None:
    assert Local().identity() == f"boot:{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}"
