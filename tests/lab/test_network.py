import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import network
from lab.plan import Lab
from runner.errors import UsageError

_ASK = "import sys; from lab import network; from lab.plan import Lab; network.refuse_taken(Lab('asked', sys.argv[1]))"


@pytest.fixture
def machine() -> Iterator[str]:
    """Return a namespace that stands for a machine with networks of its own."""
    name = f"scratch-m{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    subprocess.run(["ip", "-n", name, "link", "add", "lan0", "type", "veth", "peer", "name", "lan1"], check=True)
    yield name
    subprocess.run(["ip", "netns", "delete", name], check=True)


def _on(machine: str, *commands: str) -> None:
    for command in commands:
        subprocess.run(["ip", "-n", machine, *command.split()], check=True)


def _refusal(machine: str, subnet: str) -> str:
    command = ["ip", "netns", "exec", machine, sys.executable, "-c", _ASK, subnet]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr


@pytest.mark.parametrize(
    "commands",
    [
        ["address add 10.99.8.7/16 dev lan0"],
        ["link set lan0 up", "link set lan1 up", "route add 10.99.0.77/32 dev lan0"],
        ["link set lan0 up", "link set lan1 up", "route add 10.0.0.0/8 dev lan0 table 51"],
        ["address add fd13:99::5/64 dev lan0 nodad"],
        ["route add blackhole 10.99.0.0/20"],
    ],
)
def test_a_range_is_taken_by_an_address_or_a_route_in_any_table(machine: str, commands: list[str]) -> None:
    assert _refusal(machine, "10.99.0.0/24") == ""
    _on(machine, *commands)
    assert "UsageError: Lab 'asked' was not started: its range 10.99.0.0/24" in _refusal(machine, "10.99.0.0/24")
    assert _refusal(machine, "10.123.0.0/24" if "10.0.0.0/8" not in commands[-1] else "192.168.9.0/24") == ""


def test_a_default_route_takes_no_range_in_halves_either(machine: str) -> None:
    up = ["link set lan0 up", "link set lan1 up"]
    _on(machine, *up, "route add default dev lan0", "route add 0.0.0.0/1 dev lan0", "route add 128.0.0.0/1 dev lan0")
    assert _refusal(machine, "10.99.0.0/24") == ""


def test_a_labs_own_range_is_not_taken(shared_lab: Lab) -> None:
    network.refuse_taken(shared_lab)
    with pytest.raises(UsageError, match=f"is on {shared_lab.link}"):
        network.refuse_taken(Lab("other", shared_lab.subnet))


def test_hosts_reach_each_other_and_the_machine_and_nobody_else(shared_lab: Lab) -> None:
    inside = ["ip", "netns", "exec", shared_lab.namespace("payment-api")]
    for address in (shared_lab.address(10), shared_lab.address6(10), shared_lab.address(1), shared_lab.address6(1)):
        subprocess.run([*inside, "ping", "-c", "1", "-W", "10", str(address)], check=True, capture_output=True)
    routes = subprocess.run([*inside, "ip", "route"], capture_output=True, text=True, check=True).stdout
    assert "default" not in routes


def test_only_one_link_of_the_lab_is_in_the_machines_own_network(shared_lab: Lab) -> None:
    links = subprocess.run(["ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    assert [line.split("@")[0] for line in links.splitlines() if shared_lab.name in line] == [shared_lab.link]


def test_loopback_is_up_everywhere(shared_lab: Lab) -> None:
    for space in network.spaces(shared_lab):
        show = ["ip", "-n", space, "-brief", "address", "show", "lo"]
        assert "127.0.0.1/8" in subprocess.run(show, capture_output=True, text=True, check=True).stdout


def test_names_are_looked_up_by_dns_alone_whatever_the_machine_does(shared_lab: Lab) -> None:
    for directory in network.resolver_directories(network.spaces(shared_lab)):
        assert "ndots:5 timeout:1 attempts:1" in (directory / "resolv.conf").read_text()
        if Path("/etc/nsswitch.conf").exists():
            assert "hosts: files dns\n" in (directory / "nsswitch.conf").read_text()


def test_a_network_is_there_at_once(downed_lab: Lab, lock: int) -> None:
    """The kernel may put off by a second that a link is up; no host of the lab waits for that."""
    network.build(downed_lab, lock)
    show = ["bridge", "-n", downed_lab.namespace("switch"), "link"]
    ports = subprocess.run(show, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [port.split(":")[1] for port in ports if "state forwarding" not in port and "machine" not in port] == []
