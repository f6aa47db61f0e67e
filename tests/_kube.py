"""A Kubernetes cluster for the tests that need one: the lab's, up once for all of them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.down import down
from lab.kubernetes.binaries import require
from lab.kubernetes.machines import authority, context, directory, kubeconfig
from lab.kubernetes.names import api
from lab.plan import Lab
from lab.up import up
from runner.cluster import forget
from runner.errors import Missing

__all__ = ["Kube", "as_member", "cluster"]

# A lab that is up already and stays up, for those who write tests.
RUNNING = "CHAOSCTL_KUBE_LAB"


@dataclass(frozen=True)
class Kube:
    """A cluster, as the lab made it."""

    lab: Lab

    @property
    def configuration(self) -> Path:
        """The file that defines its environment, for CHAOSCTL_CONFIG."""
        return self.lab.environment

    @property
    def choice(self) -> dict[str, str]:
        """The environment variables that choose it as the environment."""
        return {"CHAOSCTL_CONFIG": str(self.configuration), "CHAOSCTL_ENV": self.lab.name}

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""
        return kubeconfig(self.lab)

    def node(self, name: str) -> Path:
        """Return a node's directory."""
        return directory(self.lab, name)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl as an administrator, and return what it printed."""
        own = ("--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.lab.state / "kubectl"))
        command = [str(require()["kubectl"]), *own, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout


@contextmanager
def cluster(state: Path) -> Iterator[Kube]:
    """Have the cluster, healthy; skip where it cannot be had, and say why."""
    if named := os.environ.get(RUNNING):
        found = Lab.on_this_machine(named)
        assert found is not None, f"{RUNNING} names a lab that is not there"
        yield Kube(found)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(state))
        name, subnet = f"k{os.getpid() % 100000}", f"10.{100 + os.getpid() % 40}.{os.getpid() % 200}.0/24"
        try:
            lab = up(print, name, subnet, kubernetes=True)
        except Missing as error:
            pytest.skip(str(error))
        try:
            yield Kube(lab)
        finally:
            down(name, print)


@contextmanager
def as_member(kube: Kube, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be somebody of that group, with an environment of the same name."""
    lock = os.open(os.devnull, os.O_RDONLY)
    signing, user = authority(kube.lab, lock), group.replace(":", "-")
    signing.sign(user, user, group)
    os.close(lock)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(signing.kubeconfig(user, api(kube.lab), context(kube.lab)))
    document = yaml.safe_load(kube.configuration.read_text())
    (environment,) = document["environments"].values()
    environment["kubernetes"]["kubeconfig"] = str(kubeconfig)
    own = tmp_path / "chaosctl.yaml"
    own.write_text(yaml.safe_dump({"environments": {user: environment}}))
    monkeypatch.setenv("CHAOSCTL_CONFIG", str(own))
    monkeypatch.setenv("CHAOSCTL_ENV", user)
    yield
    forget()
