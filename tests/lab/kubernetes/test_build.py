"""Programs are built once, whole or not at all; what was named is taken. The smallest one is really built."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.kubernetes import binaries
from lab.kubernetes.build import build
from runner.errors import CommandFailed, Missing

# Go's own, as it is before tests have a home directory of their own.
_GO_CACHE = os.environ.get("GOCACHE", str(Path.home() / ".cache" / "go-build"))
_BUILD = "from lab.kubernetes.build import build; build(print)"


@pytest.fixture
def all_but_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name programs for everything but `pause`, and have an empty cache and no images to make."""
    if not shutil.which("go"):
        pytest.skip("there is no Go to build with")
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in binaries.PROGRAMS:
        if name != "pause":
            (assets / name).write_text("#!/bin/sh\n")
            (assets / name).chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    monkeypatch.setenv("GOCACHE", _GO_CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("lab.kubernetes.build.missing_packages", lambda: ["none of them is needed here"])
    return assets


@pytest.mark.timeout(300)
def test_what_is_named_is_taken_and_what_is_missing_is_built_once(all_but_pause: Path) -> None:
    said: list[str] = []
    build(said.append)
    assert [line for line in said if "built in" in line and line.startswith("[1/1] pause: ")]
    built = binaries.find("pause")
    assert built == binaries.directory() / "pause"
    assert binaries.find("kubelet") == all_but_pause / "kubelet"
    with subprocess.Popen([built]) as pausing:
        pausing.terminate()
    before = built.stat().st_mtime_ns
    build(said.append)
    assert built.stat().st_mtime_ns == before
    assert said[-1] == f"All programs of the Kubernetes lab are in {binaries.directory()}"


@pytest.mark.timeout(300)
def test_a_build_that_was_killed_leaves_no_half_program(all_but_pause: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _BUILD], start_new_session=True, stdout=subprocess.DEVNULL) as killed:
        while not list(binaries.directory().glob(".lock")):
            time.sleep(0.01)
        time.sleep(0.5)
        os.killpg(killed.pid, signal.SIGKILL)
    found = binaries.find("pause")
    assert found is None or subprocess.run(["go", "version", found], check=True)
    build(print)
    assert binaries.find("pause")


def test_a_compiler_that_fails_is_told_with_its_words_and_what_to_do(
    all_but_pause: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=nonsense")
    with pytest.raises(CommandFailed, match=r"`nice go build .*nonsense") as failed:
        build(print)
    assert "goes on from there" in failed.value.fix
    assert [path.name for path in binaries.directory().iterdir()] == [".lock"]


def test_what_was_not_built_is_named_with_the_command_that_builds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(Missing, match="kube-apiserver, kube-controller-manager") as missing:
        binaries.require()
    assert "chaosctl lab build" in missing.value.fix
