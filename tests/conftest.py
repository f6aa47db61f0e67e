"""What all tests share: a state directory of their own, and the promise that nothing is left behind."""

import os
import secrets
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from runner import ledger, tables
from runner.errors import Unreachable
from runner.targets import Target
from runner.targets.netns import Netns, reach
from tests import _kubernetes
from tests._cli import Speaker
from tests._kube import Kube, cluster
from tests._kubernetes import settle, settle_payments
from tests._network import OURS, Network, network
from tests._table import listed

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

pytest_plugins = ["tests.guest.outside"]

_TOOLS = os.environ["PATH"]
_TESTS = Path(__file__).parent
_OF_MACHINES = "tests/actions/", "tests/e2e/"

# The same examples each time, and no test that fails because the machine was slow.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("ours")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where CHAOSCTL_NO_SKIPS is set, as in CI, what cannot run has failed: a skip is not a pass."""
    report = yield
    if report.skipped and os.environ.get("CHAOSCTL_NO_SKIPS"):
        report.outcome = "failed"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Scheduling":
    """Split the tests in two that take as long, for `-n 2`: those of faults, which mostly wait, and the others."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - not in the guest

    class Halves(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "machines" if nodeid.startswith(_OF_MACHINES) else "code"

    return Halves(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option for tests on a cluster, which make a machine too busy for those that watch seconds."""
    parser.addoption("--kubernetes", action="store_true", help="run the tests on a Kubernetes cluster, and only those")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run either the tests on a cluster or all others.

    Those that need no cluster but its programs come before it, so that there are never two. The first that uses the
    cluster has to wait for its start.
    """
    needing = [item for item in items if _is_of_kubernetes(item)]
    for item in needing:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))
    others = [item for item in items if not _is_of_kubernetes(item)]
    needing.sort(key=_uses_cluster)
    items[:], left_out = (needing, others) if config.getoption("kubernetes") else (others, needing)
    config.hook.pytest_deselected(items=left_out)


def _is_of_kubernetes(item: pytest.Item) -> bool:
    return _uses_cluster(item) or "kubernetes" in item.path.relative_to(_TESTS).parts


def _uses_cluster(item: pytest.Item) -> bool:
    return "kube_session" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session")
def kube_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """A cluster of three workers with the payment system in it, brought up once."""
    with cluster(tmp_path_factory.mktemp("kube")) as made:
        yield made


@pytest.fixture
def kube(kube_session: Kube, state: Path, monkeypatch: pytest.MonkeyPatch) -> Kube:
    """The cluster, as the chosen environment, and as it was when it came up: whatever became of other tests."""
    for name, value in kube_session.choice.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(_kubernetes, "administrator", _kubernetes.here())
    settle()
    settle_payments(kube_session.lab)
    return kube_session


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep ledger, store and spool of each test to itself, and leave out the user's configuration."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHAOSCTL_RUN", str(tmp_path / "guardians"))
    monkeypatch.delenv("CHAOSCTL_ENV", raising=False)
    monkeypatch.delenv("CHAOSCTL_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "chaosctl"


@pytest.fixture
def no_leaks(state: Path) -> Iterator[None]:
    """Assert afterwards that no fault, live or inert, is left in the ledger or in a namespace of these tests."""
    yield
    assert [entry.id for entry in ledger.entries()] == []
    assert sorted((state.parent.parent / "guardians").glob("*")) == []
    assert left_behind(*(reach(path.name) for path in Path("/run/netns").glob(f"*{OURS}*"))) == []


@pytest.fixture
def net(no_leaks: None) -> Iterator[Network]:
    """A client and a DNS server, each in a network namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with network() as made:
        yield made
        assert left_behind(made.client, made.server) == [], "seen before they are removed with all that is in them"


@pytest.fixture
def namespaces(no_leaks: None) -> Iterator[Callable[[], Netns]]:
    """Makes network namespaces with nothing in them, for faults that need no resolver."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    made: list[Netns] = []

    def make() -> Netns:
        at = reach(f"ct-{OURS}-{secrets.token_hex(3)}")
        made.append(at)
        subprocess.run(["ip", "netns", "add", at.namespace], check=True)
        subprocess.run(["ip", "-n", at.namespace, "link", "set", "lo", "up"], check=True)
        return at

    try:
        yield make
        assert left_behind(*made) == [], "seen before they are removed with all that is in them"
    finally:
        for at in made:
            subprocess.run(["ip", "netns", "del", at.namespace], capture_output=True, check=False)


@pytest.fixture
def namespace(namespaces: Callable[[], Netns]) -> Netns:
    """One of them."""
    return namespaces()


def left_behind(*places: Target) -> list[str]:
    """Return the faults found at these targets, with the real tools also where a test has stand-ins."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", _TOOLS)
        for at in places:
            with suppress(Unreachable):  # a test may have removed it
                found += [f"{fault.fault} {fault.id} at {at.name}" for fault in tables.found(listed(at))]
    return found


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Speaker:
    """Calls chaosctl in this process, for what it says."""
    return Speaker(monkeypatch, capsys)
