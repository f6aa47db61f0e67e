"""Where the cluster's programs are: what the user named, else what was built into the cache."""

import os
import shutil
import sys
from pathlib import Path

from lab.commands import ENVIRONMENT
from runner.errors import Missing
from runner.paths import cache_dir

__all__ = [
    "COREDNS",
    "KUBERNETES",
    "KWOK",
    "OPTIONAL",
    "PACKAGES",
    "PROGRAMS",
    "PROMETHEUS",
    "directory",
    "find",
    "missing_packages",
    "places",
    "require",
]

COREDNS = "v1.12.4"
KUBERNETES = "v1.34.4"
KWOK = "v0.7.0"
PROMETHEUS = "3.11.0"

# Each program with the module it is built in.
PROGRAMS = {
    "kube-apiserver": "kubernetes",
    "kube-controller-manager": "kubernetes",
    "kube-scheduler": "kubernetes",
    "kubelet": "kubernetes",
    "kube-proxy": "kubernetes",
    "kubectl": "kubernetes",
    "coredns": "coredns",
    "prometheus": "prometheus",
    "pause": "small",
    "resolve": "small",
    "resolve-musl": "musl",
    "kwok": "kwok",
}
OPTIONAL = ("kwok",)
PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "etcd": "etcd-server",
    "openssl": "openssl",
    "redis-server": "redis-server",
    "nft": "nftables",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "busybox": "busybox-static",
}


def directory() -> Path:
    """Return the directory that programs are built into; other versions have another one."""
    versions = (KUBERNETES, "coredns", COREDNS, "prometheus", PROMETHEUS, "kwok", KWOK)
    return cache_dir() / "-".join(("kubernetes", *versions))


def places() -> tuple[Path, ...]:
    """Return where programs are looked for: $KUBEBUILDER_ASSETS first, where that is set."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return (*([Path(named)] if named else []), directory())


def find(name: str) -> Path | None:
    """Return a program that was named or built, or nothing."""
    return next((place / name for place in places() if os.access(place / name, os.X_OK)), None)


def missing_packages() -> list[str]:
    """Return the Debian packages that the cluster needs and this machine lacks."""
    return sorted({package for tool, package in PACKAGES.items() if not shutil.which(tool, path=ENVIRONMENT["PATH"])})


def require() -> dict[str, Path]:
    """Return all programs; raises Missing with the one command that builds them, or the packages there should be."""
    found = {name: path for name in PROGRAMS if (path := find(name))}
    if missing := [name for name in PROGRAMS if name not in found and name not in OPTIONAL]:
        raise Missing(
            f"The Kubernetes lab needs programs that were not built yet: {', '.join(missing)}.",
            "Build them once, which takes about 20 minutes on two cores and needs Go: chaosctl lab build",
        )
    if lacking := missing_packages():
        packages = " ".join(lacking)
        raise Missing(
            f"The Kubernetes lab needs Debian packages that are not installed: {packages}.",
            f"In a checkout, without starting their services: lab/install-debian-packages {packages}",
        )
    return found


if __name__ == "__main__":  # for scripts: says what is lacking, if anything is
    try:
        require()
    except Missing as error:
        print(error)  # noqa: T201
        sys.exit(1)
