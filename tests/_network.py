"""Two hosts of a test's own, as network namespaces on one wire: a client with a resolver, and a DNS server."""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.targets import reach
from runner.targets.netns import Netns

SEARCH = "payment.svc.cluster.local svc.cluster.local cluster.local"
FULL = "redis-cluster.payment.svc.cluster.local"
ZONE = {
    FULL: "10.0.0.1,fd00::1",
    "redis-cluster-0.redis-cluster.payment.svc.cluster.local": "10.0.0.2,fd00::2",
    "redis-cluster-10.redis-cluster.payment.svc.cluster.local": "10.0.0.3,fd00::3",
    "redis-cluster.other.svc.cluster.local": "10.0.0.4,fd00::4",
    "mysql.payment.svc.cluster.local": "10.0.0.5,fd00::5",
    "kubernetes.default.svc.cluster.local": "10.0.0.6,fd00::6",
}
OURS = f"p{os.getpid()}"
"""In the name of every namespace that this test process makes, so that others here are not mistaken for it."""

SERVER_V4, SERVER_V6 = "10.99.7.2", "fd99:7::2"


@dataclass
class Network:
    """What a test works on; `client` is the faults' target."""

    client: Netns
    server: Netns
    _servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, *argv: str, on: Netns | None = None, check: bool = True) -> str:
        """Run a command in a namespace with that namespace's own resolv.conf, and return what it printed."""
        inside = ["ip", "netns", "exec", (on or self.client).namespace, *argv]
        return subprocess.run(inside, capture_output=True, text=True, check=check, timeout=30).stdout

    def dig(self, *arguments: str) -> str:
        """Ask once, from the client, with one second of patience."""
        return self.run("dig", "+tries=1", "+timeout=1", *arguments, check=False)

    def dig_all(self, questions: Sequence[Sequence[str]]) -> dict[str, str]:
        """Ask many questions at once; returns the answers by question."""
        with ThreadPoolExecutor(max_workers=16) as pool:
            answers = list(pool.map(lambda question: self.dig(*question), questions))
        return {" ".join(question): answer for question, answer in zip(questions, answers, strict=True)}

    def getent_all(self, names: Sequence[str]) -> dict[str, str]:
        """Look names up by glibc, all at once; returns what getent shows for each, nothing where it fails."""
        with ThreadPoolExecutor(max_workers=16) as pool:
            shown = pool.map(lambda name: self.run("getent", "hosts", name, check=False), names)
        return dict(zip(names, shown, strict=True))

    def serve(self, zone: dict[str, str], on: Netns, *options: str) -> None:
        """Start a DNS server for a zone, and wait until it answers."""
        records = [f"--host-record={name},{addresses}" for name, addresses in zone.items()]
        argv = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--no-hosts", "--user=root"]
        inside = ["ip", "netns", "exec", on.namespace, *argv, *options, *records]
        server = subprocess.Popen(
            inside, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._servers.append(server)
        until = time.monotonic() + 10
        while not self.run("ss", "-lnHu", "sport = :53", on=on):
            assert server.poll() is None, f"the DNS server on {on.name} did not start"
            assert time.monotonic() < until, f"the DNS server on {on.name} does not listen"
            time.sleep(0.02)

    def resolve_by(self, nameservers: Sequence[str], search: str = SEARCH) -> None:
        """Write the client's resolv.conf."""
        lines = [*(f"nameserver {server}" for server in nameservers), f"search {search}" if search else ""]
        resolv_conf(self.client).write_text("\n".join([*lines, "options ndots:5 timeout:1 attempts:1", ""]))

    def stop(self) -> None:
        """End the servers."""
        for server in self._servers:
            server.terminate()
            server.wait(10)


def resolv_conf(at: Netns) -> Path:
    """Return the file that `ip netns exec` lays over /etc/resolv.conf for a namespace."""
    return Path("/etc/netns") / at.namespace / "resolv.conf"


@contextmanager
def network(zone: dict[str, str] | None = None) -> Iterator[Network]:
    """Make client, server and the wire between them; remove them all afterwards."""
    mark = f"{OURS}-{secrets.token_hex(3)}"
    client, server = (reach(f"netns:ct-{mark}-{role}") for role in ("client", "server"))
    assert isinstance(client, Netns)
    assert isinstance(server, Netns)
    made = Network(client, server)
    try:
        for at in (client, server):
            _ip("netns", "add", at.namespace)
            _ip("-n", at.namespace, "link", "set", "lo", "up")
        peer = ["peer", "name", "wire", "netns", server.namespace]
        _ip("link", "add", "wire", "netns", client.namespace, "type", "veth", *peer)
        for at in (client, server):  # addresses after this: coming up puts those there through a second of DAD again
            _ip("-n", at.namespace, "link", "set", "wire", "up")
        for at, number in ((client, 1), (server, 2)):
            _ip("-n", at.namespace, "addr", "add", f"10.99.7.{number}/24", "dev", "wire")
            _ip("-n", at.namespace, "addr", "add", f"fd99:7::{number}/64", "dev", "wire", "nodad")
        resolv_conf(client).parent.mkdir(parents=True)
        made.resolve_by([SERVER_V4])
        made.serve(ZONE if zone is None else zone, server, "--no-resolv", "--local=/cluster.local/", "--cache-size=0")
        until = time.monotonic() + 10
        while "1 received" not in made.run("ping", "-6", "-c1", "-W0.1", SERVER_V6, check=False):
            assert time.monotonic() < until, "the wire carries no IPv6"
        yield made
    finally:
        made.stop()
        for at in (client, server):
            subprocess.run(["ip", "netns", "del", at.namespace], capture_output=True, check=False)
        shutil.rmtree(resolv_conf(client).parent, ignore_errors=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, env={**os.environ, "LANG": "C"})
