"""An injection at all its targets: noted before it is done, and undone everywhere whatever goes wrong anywhere."""

import inspect
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.record import FaultRecord
from runner import ledger, lifecycle, together
from runner.discovery import fault
from runner.errors import Aborted, CommandFailed, Inconclusive, Missing, Residue, UsageError
from runner.lifecycle import action
from runner.model import clock
from runner.targets.netns import Netns
from tests._nft import use
from tests._scratch import Scratch, Scratched, left

Make = Callable[[], Netns]
WORDS = ["before", "armed", "effective", "healed"]


def test_it_is_on_disk_and_locked_before_the_first_injecting_command(
    namespace: Netns, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in notes what it finds when it is called to inject."""
    seen = tmp_path / "seen"
    look = f'cat {state}/ledger/*.json >> {seen}; flock -n {state}/ledger/*.lock true || echo " locked" >> {seen}'
    use(monkeypatch, tmp_path, f'case "$*" in "-f -") [ -e {seen} ] || {{ {look}; }};; esac; exec $real "$@"')
    made = Scratched(namespace)
    made.injection.start()
    entry, locked = seen.read_text().rsplit(" ", 1)
    assert f'"id":"{made.injection.id}"' in entry
    assert f"delete table inet chaos_{made.injection.id}" in entry
    assert locked == "locked\n"
    made.injection.stop.set()
    made.injection.finish()


def test_ledgers_deadline_is_the_targets_own(namespace: Netns) -> None:
    made = Scratched(namespace, duration="30s")
    made.injection.start()
    [course] = made.injection.courses
    assert course.committed
    [entry] = ledger.entries()
    assert entry.deadline == made.injection.deadline == course.committed + 30
    assert re.fullmatch(r"\S+@\S+ pid \d+", entry.owner)
    assert entry.sentence == f"{namespace.name} is scratched for 30s"
    made.injection.stop.set()
    made.injection.finish()


def test_many_targets_are_all_proven_and_all_healed(namespaces: Make) -> None:
    targets = [namespaces() for _ in range(12)]
    made = Scratched(*targets, duration="60s")
    made.injection.start()
    assert len(left(*targets)) == 12
    assert all(course.effective for course in made.injection.courses)
    made.injection.stop.set()
    made.injection.finish()
    assert left(*targets) == []
    assert made.injection.healed
    assert made.words == WORDS
    assert "(and 11 more)" in dict(made.told)["effective"]
    FaultRecord.model_validate(made.injection.account())


def test_failure_at_one_target_undoes_all(namespaces: Make) -> None:
    """Where a command fails after it did its work too."""
    targets = [namespaces() for _ in range(3)]
    made = Scratched(*targets, fails_at=targets[1].name)
    with pytest.raises(CommandFailed, match=f"at {targets[1].name} ended with 9: broken"):
        made.injection.start()
    assert left(*targets) == []
    assert ledger.entries() == ()
    assert made.injection.finished


def test_fault_unproven_at_one_target_undoes_all(namespaces: Make) -> None:
    targets = [namespaces() for _ in range(3)]
    made = Scratched(*targets, unseen_at=targets[2].name, duration="500ms")
    with pytest.raises(Inconclusive, match=f"did not show at {targets[2].name}: .* It was undone") as unproven:
        made.injection.start()
    assert unproven.value.exit_code == 3
    assert left(*targets) == []
    assert "effective" not in made.words


def test_target_that_looks_odd_before_is_not_touched(namespaces: Make, state: Path) -> None:
    targets = [namespaces() for _ in range(2)]
    made = Scratched(*targets, odd_at=targets[1].name)
    with pytest.raises(Inconclusive, match=f"Before the fault, {targets[1].name} .* Nothing was injected"):
        made.injection.start()
    assert left(*targets) == []
    assert not (state / "ledger").exists()


def test_unwritable_ledger_injects_nothing(namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
        with pytest.raises(Missing, match=r"cannot be written: Not a directory. Nothing is injected") as unwritable:
            Scratched(namespace).injection.start()
    assert unwritable.value.exit_code == 4
    assert left(namespace) == []


@pytest.mark.parametrize("when", ["", "before", "armed"])
def test_stopped_before_it_is_proven_leaves_nothing(namespace: Netns, when: str) -> None:
    made = Scratched(namespace)

    def stop(what: str, _sentence: str) -> None:
        if what == when:
            made.injection.stop.set()

    made.injection._tell = stop
    stop("", "")
    with pytest.raises(Aborted, match="stopped before it was proven"):
        made.injection.start()
    assert left(namespace) == []
    assert ledger.entries() == ()


def test_stopping_ends_the_wait_and_the_fault_at_once(namespace: Netns) -> None:
    made = Scratched(namespace, duration="1h")
    made.injection.start()
    threading.Timer(0.2, made.injection.stop.set).start()
    made.injection.wait()
    made.injection.finish()
    assert left(namespace) == []
    [course] = made.injection.courses
    assert course.ended_how == "undone"
    assert course.ended
    assert course.ended < made.injection.deadline - 3000


def test_fault_ends_by_itself_and_what_is_left_is_swept(namespace: Netns) -> None:
    made = Scratched(namespace, duration="700ms")
    made.injection.start()
    made.injection.wait()
    assert clock() >= made.injection.deadline
    made.injection.finish()
    assert left(namespace) == []
    assert made.injection.courses[0].ended_how == "deadline"
    assert made.words == WORDS


def test_finishing_again_and_from_many_threads_is_once(namespace: Netns) -> None:
    made = Scratched(namespace)
    made.injection.start()
    made.injection.stop.set()
    threads = [threading.Thread(target=made.injection.finish) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.words.count("healed") == 1
    assert left(namespace) == []


def test_finishing_what_never_began_does_nothing(namespace: Netns, state: Path) -> None:
    made = Scratched(namespace)
    made.injection.finish()
    assert made.told == []
    assert not state.exists()


def test_what_could_not_be_undone_is_residue_and_can_be_tried_again(
    namespace: Netns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Scratched(namespace)
    made.injection.start()
    made.injection.stop.set()
    with monkeypatch.context() as patch:
        use(patch, tmp_path, "echo jammed >&2; exit 1")
        with pytest.raises(Residue, match=r"could not be undone: .*jammed"):
            made.injection.finish()
    assert not made.injection.finished
    assert [entry.id for entry in ledger.entries()] == [made.injection.id]
    made.injection.finish()
    assert left(namespace) == []


def test_interruption_lets_no_command_overtake_the_undoing(
    namespaces: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C under `chaos run` raises in the midst of it: what is in flight is waited for, the rest never starts.

    One at a time here, so that the second target is still waiting for its turn.
    """
    monkeypatch.setattr(together, "AT_ONCE", 1)
    log = tmp_path / "log"
    use(
        monkeypatch,
        tmp_path,
        f"""[ "$*" = "-f -" ] || exec $real "$@"
        cat > {tmp_path}/rules
        if grep -q create {tmp_path}/rules; then echo begun >> {log}; sleep 1; fi
        $real -f {tmp_path}/rules && echo ended >> {log}""",
    )
    one, other = namespaces(), namespaces()
    made = Scratched(one, other)

    main = threading.get_ident()

    def interrupt() -> None:
        until = clock() + 20
        while not log.exists() and clock() < until:
            threading.Event().wait(0.01)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        made.injection.start()
    assert left(one, other) == []
    assert log.read_text().split() == ["begun", "ended", "ended", "ended"], "one was injected, both undone"
    assert ledger.entries() == ()


def test_action_takes_parameters_selection_and_duration_as_chaos_toolkit_needs_them() -> None:
    """Keyword-only parameters would be dropped by its discovery."""
    act = action(fault("network-dns"))
    signature = inspect.signature(act)
    assert list(signature.parameters) == [
        "target", "mode", "control", "witness", "where", "namespace", "selector", "node", "allow_node", "replicas",
        "via", "at_least", "duration",
    ]  # fmt: skip
    assert {p.kind for p in signature.parameters.values()} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    required = [p.name for p in signature.parameters.values() if p.default is inspect.Parameter.empty]
    assert required == ["target"]
    assert (act.__name__, act.__module__) == ("network_dns", "actions.network_dns")
    assert act.__doc__


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an action leaves for the control to see to, of one test only."""
    monkeypatch.setattr(lifecycle, "injections", [])
    monkeypatch.setattr(lifecycle, "failures", [])
    monkeypatch.setattr(lifecycle, "stopping", threading.Event())


def test_action_returns_once_proven_and_leaves_the_end_to_the_control(namespace: Netns, fresh: None) -> None:
    returned = action(Scratch)(where=namespace.name, duration="60s")
    [injection] = lifecycle.injections
    assert returned["id"] == injection.id
    assert returned["sentence"] == f"{namespace.name} is scratched for 60s"
    assert injection.courses[0].effective
    assert left(namespace) == [injection.id]
    lifecycle.stopping.set()
    injection.finish()


def test_action_keeps_why_it_failed(namespace: Netns, fresh: None) -> None:
    """Chaos Toolkit passes on no more than text."""
    with pytest.raises(Inconclusive):
        action(Scratch)(where=namespace.name, unseen_at=namespace.name, duration="200ms")
    with pytest.raises(UsageError):
        action(Scratch)(where="pod:x")
    assert [type(error) for error in lifecycle.failures] == [Inconclusive, UsageError]
    assert left(namespace) == []
