"""Images as the Open Container Initiative lays them out, in one archive that containerd imports."""

import hashlib
import io
import json
import os
import platform
import tarfile
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.kubernetes.images.layer import Layer

__all__ = ["Image", "Store"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TYPE = "application/vnd.oci.image.{}+json"
_A_DAY = 86400
_LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True)
class Image:
    """One image: its name, its layers from the lowest up, and what its containers start with."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = "0"

    def config(self) -> dict[str, Any]:
        """Return what the runtime is told."""
        told = {"Entrypoint": list(self.entrypoint), "User": self.user, "WorkingDir": "/"}
        return told | {"Env": [f"{name}={value}" for name, value in self.environment.items()]}


class Store:
    """Layers in a directory, by what they were made of: what did not change is not made again."""

    def __init__(self, directory: Path) -> None:
        self._layers = directory / "layers"
        self._archives = directory / "archives"

    def key(self, images: Iterable[Image]) -> str:
        """Return what changes when one of these images would."""
        known = [(image.name, image.config(), [layer.key() for layer in image.layers]) for image in images]
        return hashlib.sha256(repr(known).encode()).hexdigest()[:32]

    def archive(self, images: Iterable[Image], known: Collection[str] = ()) -> Path:
        """Return an archive of these images, for one who has the layers of these digests already."""
        images = tuple(images)
        path = self._archives / f"{self.key(images)}.{os.getpid()}.tar"
        path.parent.mkdir(parents=True, exist_ok=True)
        blobs = dict(self._layer(layer) for image in images for layer in image.layers)
        blobs = {digest: source for digest, source in blobs.items() if digest not in known}
        with tarfile.open(path, "w") as tar:
            for digest, source in blobs.items():
                tar.add(source, f"blobs/sha256/{digest}")
            manifests = [_put_image(tar, image, [self._layer(layer) for layer in image.layers]) for image in images]
            _put(tar, "oci-layout", {"imageLayoutVersion": "1.0.0"})
            _put(tar, "index.json", {"schemaVersion": 2, "manifests": manifests})
        return path

    def prune(self, images: Iterable[Image]) -> None:
        """Forget layers that these images have not; one of the last day may be of another Python, and stays."""
        wanted = {layer.key() for image in images for layer in image.layers}
        for path in self._layers.iterdir():
            if path.name.partition("-")[0] not in wanted and time.time() - path.stat().st_mtime > _A_DAY:
                path.unlink()

    def _layer(self, layer: Layer) -> tuple[str, Path]:
        """Return a layer's digest and its tar file, made now where it is not there."""
        found = next(self._layers.glob(f"{layer.key()}-*"), None)
        if found is None:
            self._layers.mkdir(parents=True, exist_ok=True)
            draft = self._layers / f"draft{os.getpid()}"
            layer.write(draft)
            with draft.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            found = draft.rename(self._layers / f"{layer.key()}-{digest}")
        return found.name.partition("-")[2], found


def _put_image(tar: tarfile.TarFile, image: Image, layers: list[tuple[str, Path]]) -> dict[str, Any]:
    """Write an image's configuration and manifest; return what the index says of it."""
    config = {
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": image.config(),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest, _ in layers]},
    }
    blobs = [
        {"mediaType": _LAYER, "digest": f"sha256:{digest}", "size": path.stat().st_size} for digest, path in layers
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": _TYPE.format("manifest.v1"),
        "config": _put_blob(tar, _TYPE.format("config.v1"), config),
        "layers": blobs,
    }
    described = _put_blob(tar, _TYPE.format("manifest.v1"), manifest)
    return described | {"annotations": {"io.containerd.image.name": f"{image.name}"}}


def _put_blob(tar: tarfile.TarFile, kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    content = json.dumps(document).encode()
    digest = hashlib.sha256(content).hexdigest()
    _put(tar, f"blobs/sha256/{digest}", document)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _put(tar: tarfile.TarFile, name: str, document: Mapping[str, Any]) -> None:
    content = json.dumps(document).encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
