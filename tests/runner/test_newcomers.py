"""What becomes of targets that come while a fault is live; stand-ins come and take it, or do not."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from runner import newcomers
from runner.config import Chosen, Environment
from runner.discovery import fault
from runner.errors import ChaosctlError, Inconclusive
from runner.guardrails import Admission
from runner.model import clock
from runner.newcomers import Newcomers
from runner.selection import Pick, Selected


class Coming:
    """Targets that come at once, each on worker-01; two have the fault already."""

    def __init__(self, *names: str) -> None:
        self._fresh: tuple[Any, ...] = tuple(SimpleNamespace(name=f"pod:lab/payment/{name}") for name in names)
        self.having = 2
        self.without: list[str] = []

    def fresh(self) -> tuple[Any, ...]:
        fresh, self._fresh = self._fresh, ()
        return fresh

    def proposed(self, name: str) -> Selected:
        at: Any = SimpleNamespace(name=name)
        pick = Pick(name, name.rpartition("/")[2], "payment", "payment/api", "worker-01")
        return Selected((at,), pick.host, (pick,), pods=self.having + 1)

    def took(self, _name: str) -> None:
        self.having += 1

    def gave_up(self, name: str) -> None:
        self.without.append(name.rpartition("/")[2])

    def standing(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """Nothing is held."""


def took(_at: Any, _seconds: float) -> Any:
    return SimpleNamespace(failure=None, committed=clock())


def admission(**limits: Any) -> Admission:
    environment = Environment.model_validate({"kind": "lab", "guardrails": limits})
    chosen = Chosen(name="lab", environment=environment)
    return Admission("aa22bb33", fault("network-dns")(target="x"), (), "x", chosen)  # type: ignore[call-arg]


def told(coming: Coming, admit: Callable[..., Any], ruled: Admission, notes: int = 1) -> list[str]:
    """Let targets come until so much is told of them."""
    made = Newcomers(ruled.rule, admit)
    made.watch(lambda: coming)
    made.start(clock() + 60, ())
    limit = time.monotonic() + 10
    while len(made.notes) < notes and time.monotonic() < limit:
        time.sleep(0.01)
    made.stop()
    return made.notes


@pytest.mark.parametrize(
    ("failure", "expected"),
    [(None, "took it"), (Inconclusive("The fault did not show there."), "did not take it: The fault did not show")],
)
def test_newcomer_takes_it_where_it_shows_there(failure: ChaosctlError | None, expected: str) -> None:
    course: Any = SimpleNamespace(failure=failure, committed=clock())
    coming = Coming("new")
    [note] = told(coming, lambda _at, _seconds: course, admission())
    assert f"came while the fault was live, and {expected}" in note
    assert coming.without == ([] if failure is None else ["new"])


def test_no_more_take_it_than_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Deployment may be scaled from 3 to 100 under a fault."""
    monkeypatch.setattr(newcomers, "_PATIENCE", 0.5)
    ruled, coming = admission(max_targets=3), Coming("a", "b", "c")
    first, *others = told(coming, took, ruled, notes=3)
    assert "payment/a came while the fault was live, and took it" in first
    assert coming.without == ["b", "c"]
    why = "4 pods are more than environment 'lab' allows (3)."
    assert [note.partition("did not take it: ")[2] for note in others] == [why, why]
    assert [each.reason for each in ruled.rulings if not each.allowed] == [why, why], "the last of each, not each try"


def test_place_of_one_that_goes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout starts the new pod before it ends the old one."""
    coming = Coming("new")
    tries = []

    def proposed(name: str) -> Selected:
        tries.append(name)
        coming.having = 2 if len(tries) > 2 else 3
        return Coming.proposed(coming, name)

    monkeypatch.setattr(coming, "proposed", proposed)
    [note] = told(coming, took, admission(max_targets=3))
    assert "and took it" in note


def test_newcomer_on_a_protected_node_does_not_take_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomers, "_PATIENCE", 0.5)
    [note] = told(Coming("new"), took, admission(protected={"nodes": ["worker-0*"]}))
    assert "did not take it: new may not be touched: environment 'lab' protects the node worker-01." in note


def test_one_that_still_waits_when_the_fault_ends_is_told_of_with_the_reason() -> None:
    tries: list[float] = []

    def fails(_at: Any, seconds: float) -> Any:
        tries.append(seconds)
        raise Inconclusive("It does not run yet.")

    coming = Coming("new")
    made = Newcomers(admission().rule, fails)
    made.watch(lambda: coming)
    made.start(clock() + 60, ["pod:lab/payment/first"])
    limit = time.monotonic() + 10
    while not tries and time.monotonic() < limit:
        time.sleep(0.01)
    made.stop()
    assert made.notes == [
        "pod:lab/payment/new came while the fault was live, and did not take it: It does not run yet."
    ]
    assert coming.without == ["first", "new"]
