"""The set-up runs on a copy of this machine's file system that is thrown away: real apt-get, dpkg and systemctl.

What it installs is a service of our own from a package source of our own, so that nothing is fetched.
"""

import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "lab" / "install-debian-packages"
UNIT = "/lib/systemd/system/{0}.service"
_CONTROL = "Package: {0}\nVersion: 1\nArchitecture: all\nMaintainer: a test\nDescription: a service\n"
_UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
_INIT = (
    "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: {0}\n# Required-Start:\n# Required-Stop:\n"
    "# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\ntouch /{0}-was-started\n"
)
# What debhelper writes for a package with a service.
_POSTINST = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
deb-systemd-helper enable {0}.service >/dev/null
update-rc.d {0} defaults >/dev/null
{1}
invoke-rc.d --skip-systemd-native {0} start || exit 1
"""
# A copy of the machine: writes go to memory, and vanish with the mount namespace.
_COPY = """
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs none "$1/root/run"
mkdir -p "$1/root/packages" "$1/root/run/lock"
cp "$2"/* "$1/root/packages"
cp "$3" "$1/root/install-debian-packages"
rm -rf "$1"/root/etc/apt/sources.list* "$1/root/usr/sbin/policy-rc.d" "$1/root/usr/bin/sudo"
echo 'deb [trusted=yes] file:/packages ./' >"$1/root/etc/apt/sources.list"
# No systemd runs there: systemctl is to work on its files alone, and init scripts are to believe in a runlevel.
export SYSTEMD_OFFLINE=1 RUNLEVEL=2 PREVLEVEL=N
exec chroot "$1/root" sh -ec "$4"
"""

OnACopy = Callable[[str], subprocess.CompletedProcess[str]]


def _package(name: str, where: Path, extra: str = "") -> None:
    tree = where / name
    files = {
        "DEBIAN/control": _CONTROL.format(name),
        "DEBIAN/postinst": _POSTINST.format(name, extra),
        UNIT.format(name).lstrip("/"): _UNIT,
        f"etc/init.d/{name}": _INIT.format(name),
    }
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o644 if path.endswith((".service", "control")) else 0o755)
    archive = where / "packages" / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", str(tree), str(archive)], check=True, capture_output=True)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    entry = f"{files['DEBIAN/control']}Filename: ./{name}.deb\nSize: {archive.stat().st_size}\nSHA256: {digest}\n\n"
    with (where / "packages" / "Packages").open("a") as index:
        index.write(entry)


@pytest.fixture
def on_a_copy(tmp_path: Path) -> OnACopy:
    """Return a way to run shell commands as root of a copy of this machine that keeps no service from starting."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "copy").mkdir()
    _package("test-earlier", tmp_path)
    _package("test-service", tmp_path)
    killer = "kill -KILL $(sed -n 's/.*proc.\\([0-9]*\\) .*/\\1/p' /usr/sbin/policy-rc.d)"
    _package("test-killer", tmp_path, killer)

    def run(commands: str) -> subprocess.CompletedProcess[str]:
        copy = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _COPY, "sh", str(tmp_path / "copy")]
        argv = [*copy, str(tmp_path / "packages"), str(SCRIPT), commands]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=100)

    return run


def test_the_copy_starts_services_as_a_users_debian_does(on_a_copy: OnACopy) -> None:
    done = on_a_copy("apt-get update -q && apt-get install -q -y test-service && ls /test-service-was-started")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_service_is_installed_and_not_started(on_a_copy: OnACopy) -> None:
    done = on_a_copy(
        """
        /install-debian-packages test-service
        dpkg-query --show --showformat 'it is ${db:Status-Status}\n' test-service
        ls /test-service-was-started /usr/sbin/policy-rc.d || true
        """
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[2/3] Installing test-service" in done.stdout
    assert done.stdout.endswith("Installed test-service\nit is installed\n")
    assert "cannot access '/test-service-was-started'" in done.stderr
    assert "cannot access '/usr/sbin/policy-rc.d'" in done.stderr


def test_a_service_does_not_start_at_boot_either(on_a_copy: OnACopy) -> None:
    done = on_a_copy(
        """
        mkdir -p /run/systemd/system
        /install-debian-packages test-service
        systemctl is-enabled test-service || true
        """
    )
    assert done.stdout.endswith("Installed test-service\ndisabled\n"), done.stdout + done.stderr


def test_a_service_that_was_there_stays_enabled(on_a_copy: OnACopy) -> None:
    done = on_a_copy(
        """
        apt-get update -q && apt-get install -q -y test-earlier
        mkdir -p /run/systemd/system
        /install-debian-packages test-service
        systemctl is-enabled test-earlier
        """
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("\nenabled\n")


def test_a_policy_that_was_there_stays_as_it_is(on_a_copy: OnACopy) -> None:
    done = on_a_copy(
        """
        printf '#!/bin/sh\nexit 101 # mine\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
        /install-debian-packages test-service
        cat /usr/sbin/policy-rc.d
        """
    )
    assert done.stdout.endswith("Installed test-service\n#!/bin/sh\nexit 101 # mine\n"), done.stdout + done.stderr


def test_killed_outright_it_leaves_services_free_to_start_and_the_next_run_tidies_up(on_a_copy: OnACopy) -> None:
    done = on_a_copy(
        """
        /install-debian-packages test-killer || echo "killed: $?"
        until /usr/sbin/policy-rc.d && dpkg-query --show test-killer >/dev/null; do sleep 0.1; done
        while pidof apt-get dpkg >/dev/null; do sleep 0.1; done
        echo "starting is permitted"
        /install-debian-packages test-service
        ls /usr/sbin/policy-rc.d || true
        """
    )
    assert "killed: 137\n" in done.stdout, done.stdout + done.stderr
    assert "starting is permitted\n" in done.stdout
    assert "Installed test-service\n" in done.stdout
    assert "cannot access '/usr/sbin/policy-rc.d'" in done.stderr


def test_a_package_that_is_not_to_be_had_is_an_error_and_no_policy_stays(on_a_copy: OnACopy) -> None:
    done = on_a_copy("/install-debian-packages test-nowhere || echo ended with $?; ls /usr/sbin/policy-rc.d")
    assert "Unable to locate package test-nowhere" in done.stderr
    assert "install-debian-packages: apt-get could not install test-nowhere" in done.stderr
    assert done.stdout.endswith("ended with 4\n")
    assert "cannot access '/usr/sbin/policy-rc.d'" in done.stderr


def test_without_root_and_sudo_it_says_what_to_do(on_a_copy: OnACopy) -> None:
    done = on_a_copy("setpriv --reuid 65534 --regid 65534 --clear-groups /install-debian-packages test-service")
    assert done.returncode == 4
    assert done.stderr == (
        "install-debian-packages: Missing: test-service. Only root may install them, and there is no sudo here.\n"
        "As root, run: /install-debian-packages test-service\n"
    )


def test_where_there_is_no_apt_it_names_the_packages(on_a_copy: OnACopy) -> None:
    done = on_a_copy("rm /usr/bin/apt-get; /install-debian-packages")
    assert done.returncode == 4
    assert done.stderr.startswith("install-debian-packages: apt-get is not here")
    assert "etcd-server etcd-client prometheus" in done.stderr


def test_nothing_to_do_is_said_at_once(on_a_copy: OnACopy) -> None:
    started = time.monotonic()
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=True)
    print(f"{time.monotonic() - started:.3f} s")  # noqa: T201 - a figure to read
    assert done.stdout == "All packages of the lab are installed.\n"
