"""Who we are to a cluster, as a kubeconfig says it, with no key left on a disk."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from kubernetes import client
from kubernetes import config as kubeconfig
from kubernetes.config import ConfigException
from yaml import YAMLError

from runner.config import Kubernetes
from runner.errors import UsageError, in_one_line

__all__ = ["InMemory", "load_context"]

_FILES = "ssl_ca_cert", "cert_file", "key_file"


class InMemory:
    """A file that only this process can open by its path, and that is gone with it, or with this object."""

    def __init__(self, content: bytes) -> None:
        self._file = os.fdopen(os.memfd_create("chaosctl"), "wb")
        self._file.write(content)
        self._file.flush()
        self.path = f"/proc/self/fd/{self._file.fileno()}"


def load_context(environment: str, pinned: Kubernetes, settings: client.Configuration) -> tuple[InMemory, ...]:
    """Fill the client's settings from a context; returns files that they name, to be kept as long as they are used.

    What a kubeconfig has within itself, the client writes to files, and a process that is killed would leave its key
    there: here they are for the moment of reading only. Raises UsageError where the context cannot be had.
    """
    file = str(pinned.kubeconfig) if pinned.kubeconfig else None
    with TemporaryDirectory(prefix="chaosctl-") as place:
        try:
            kubeconfig.load_kube_config(file, pinned.context, settings, temp_file_path=place)
        except (ConfigException, OSError, TypeError, YAMLError) as error:
            raise UsageError(
                f"Context {pinned.context!r} of environment {environment!r} cannot be had from the kubeconfig: "
                f"{in_one_line(str(error))}.",
                "Name the file with kubernetes.kubeconfig, and the context as `kubectl config get-contexts` shows it.",
            ) from error
        return tuple(_moved(settings, Path(place)))


def _moved(settings: client.Configuration, place: Path) -> Iterator[InMemory]:
    for name in _FILES:
        written = getattr(settings, name)
        if written and Path(written).parent == place:
            held = InMemory(Path(written).read_bytes())
            setattr(settings, name, held.path)
            yield held
