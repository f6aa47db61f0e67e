"""The cluster's nodes: a directory for each, with its scripts, certificates and images, and how it is started."""

import os
from pathlib import Path

from lab import groups
from lab.kubernetes.binaries import places
from lab.kubernetes.images.unpacked import hand_out
from lab.kubernetes.names import CONTROL_PLANE, NODES, SERVICE_API, api
from lab.kubernetes.pki import Authority
from lab.kubernetes.services import files, services
from lab.plan import Lab

__all__ = ["NEWEST", "authority", "cgroup", "command", "context", "directory", "kubeconfig", "prepare"]

_SCRIPT = Path(__file__).parent / "machine.sh"
_IMAGES = "images"
NEWEST = "newest-images"


def directory(lab: Lab, node: str) -> Path:
    """Return where a node keeps all that it writes."""
    return lab.state / node


def kubeconfig(lab: Lab) -> Path:
    """Return the file by which an administrator reaches the cluster."""
    return lab.state / "kubeconfig"


def context(lab: Lab) -> str:
    """Return what kubeconfigs call the cluster."""
    return lab.namespace("cluster")


def cgroup(lab: Lab, node: str) -> str:
    """Return the name of a node's control group, in each hierarchy."""
    return groups.name(lab.namespace(node))


def command(lab: Lab, node: str) -> tuple[str, ...]:
    """Return the command that starts a node, to be run in its network namespace."""
    programs = ":".join(str(place) for place in places() if place.is_dir())
    images = directory(lab, node).joinpath(_IMAGES).read_text()
    return ("sh", str(_SCRIPT), cgroup(lab, node), str(directory(lab, node)), images, programs, *services(node))


def authority(lab: Lab, lock: int) -> Authority:
    """Return the cluster's authority, with its files in the lab's directory."""
    return Authority(lab.state / "pki", lock)


def prepare(lab: Lab, lock: int, images: Path) -> None:
    """Write each node's directory, and the administrator's kubeconfig."""
    signing = authority(lab, lock)
    signing.create()
    signing.sign("admin", "admin", "system:masters")
    _write(kubeconfig(lab), signing.kubeconfig("admin", api(lab), context(lab)), 0o600)
    for node in NODES:
        at = directory(lab, node)
        at.mkdir()
        for name, text in files(lab, node).items():
            _write(at / name, text)
        _certify(lab, signing, node)
        hand_out(images, at / "containerd", "/run/images")
        _write(at / _IMAGES, str(images))
        _write(at / NEWEST, images.name)


def _certify(lab: Lab, signing: Authority, node: str) -> None:
    """Give a node the certificates of its own: a kubelet is `system:node:NODE` and nobody else."""
    at, address = directory(lab, node), str(lab.address(NODES[node]))
    signing.sign(f"kubelet-{node}", f"system:node:{node}", "system:nodes", address, node)
    signing.sign("kube-proxy", "system:kube-proxy")
    _take(signing, at, "ca.crt")
    for kind in ("crt", "key"):
        _take(signing, at, f"kubelet-{node}.{kind}", f"kubelet.{kind}")
    known = {"kubelet": f"kubelet-{node}", "kube-proxy": "kube-proxy"}
    if node == CONTROL_PLANE:
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
        signing.sign("kube-apiserver", "kube-apiserver", "", address, SERVICE_API, *names)
        signing.sign("kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
        for name in ("kube-controller-manager", "kube-scheduler"):
            signing.sign(name, f"system:{name}")
            known[name] = name
        for name in ("kube-apiserver.crt", "kube-apiserver.key", "kubelet-client.crt", "kubelet-client.key"):
            _take(signing, at, name)
        for name in ("ca.key", "accounts.key"):
            _take(signing, at, name)
    for name, certificate in known.items():
        _write(at / f"{name}.kubeconfig", signing.kubeconfig(certificate, api(lab), context(lab)), 0o600)


def _take(signing: Authority, at: Path, name: str, called: str = "") -> None:
    target = at / (called or name)
    target.write_bytes((signing.directory / name).read_bytes())
    target.chmod(0o600)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:  # noqa: PTH123 - with its mode from the start
        file.write(text)
