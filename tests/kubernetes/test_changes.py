"""Changes of objects on a real API server: no write crosses another one, whoever comes in between."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from runner import changes, shared_ledger
from runner.changes import MARK, Change, Field
from runner.config import current
from runner.entry import Entry, Site, written
from runner.errors import ChaosctlError, Gone, Inconclusive, Refused
from runner.model import Steps, clock
from runner.remote.guardian import guard
from tests._kubernetes import OURS, here, until

SERVICES = "/api/v1/namespaces/payment/services"
PATH = f"{SERVICES}/crossing"


@pytest.fixture
def change(kube: Any) -> Iterator[Change]:
    """A change of a Service of its own."""
    here().delete(PATH)
    made = here().create(
        SERVICES, {"metadata": {"name": "crossing"}, "spec": {"selector": {"app": "no"}, "ports": [{"port": 80}]}}
    )
    field = Field(("spec", "selector", "app"), "no", "never")
    yield changes.parsed(changes.written(Change("abcdefgh", PATH, made["metadata"]["uid"], (field,), 60.0)))
    here().delete(PATH)


class Crossed:
    """The API, where somebody else writes once between a look at an object and what is written after it."""

    def __init__(self, write: Callable[[], object]) -> None:
        self.looks = 0
        self._write = write

    def find(self, path: str) -> dict[str, Any] | None:
        """Return an object, which is another version just after."""
        found = here().find(path)
        self.looks += 1
        if self.looks == 1:
            self._write()
        return found

    def patch(self, path: str, change: Mapping[str, Any], content: str) -> dict[str, Any]:
        """Merge a change into an object."""
        return here().patch(path, change, content)


class Counted:
    """The API, with a count of the looks at an object."""

    def __init__(self) -> None:
        self.looks = 0

    def find(self, path: str) -> dict[str, Any] | None:
        """Return an object."""
        self.looks += 1
        return here().find(path)

    def patch(self, path: str, change: Mapping[str, Any], content: str) -> dict[str, Any]:
        """Merge a change into an object."""
        return here().patch(path, change, content)


def state(change: Change) -> tuple[str, str, str]:
    """Return how it stands with the field, the mark, and the change as a whole."""
    item = here().get(PATH)
    mark = item["metadata"].get("annotations", {}).get(MARK, "")
    return item["spec"]["selector"]["app"], mark, changes.standing(here(), change)


def test_it_is_made_and_taken_back_any_number_of_times(change: Change) -> None:
    for _ in range(2):
        changes.apply(here(), change)
        assert state(change) == ("never", change.fault, "live")
    for _ in range(2):
        changes.revert(here(), change)
        assert state(change) == ("no", "", "not found")


def test_moment_of_its_end_takes_one_look(change: Change) -> None:
    """Guardians ask for it again and again, and two looks may be at two states."""
    counted = Counted()
    assert changes.ends(counted, change) is None
    changes.apply(here(), change)
    assert abs((changes.ends(counted, change) or 0) - clock() - change.seconds) < 30
    changes.revert(here(), change)
    assert changes.ends(counted, change) is None
    assert counted.looks == 3


def test_who_writes_something_else_in_between_is_not_overwritten_and_does_not_stop_it(change: Change) -> None:
    crossed = Crossed(lambda: here().patch(PATH, {"metadata": {"labels": {"other": "x"}}}))
    changes.apply(crossed, change)
    assert crossed.looks == 2, "the first version was not written over"
    assert state(change) == ("never", change.fault, "live")
    assert here().get(PATH)["metadata"]["labels"] == {"other": "x"}


def test_two_that_take_it_back_at_once_do_it_once(change: Change) -> None:
    changes.apply(here(), change)
    crossed = Crossed(lambda: changes.revert(here(), change))
    changes.revert(crossed, change)
    assert crossed.looks == 2
    assert state(change) == ("no", "", "not found")


def test_what_an_entry_says_that_was_there_before_is_not_believed(change: Change) -> None:
    """Who may write into the ledger may not change objects by that."""
    changes.apply(here(), change)
    forged = replace(change, fields=(Field(("spec", "selector", "app"), "theirs", "never"),))
    changes.revert(here(), forged)
    assert state(change) == ("no", "", "not found")


def test_object_that_does_not_say_what_it_was_is_left_and_told(change: Change) -> None:
    changes.apply(here(), change)
    here().patch(PATH, {"metadata": {"annotations": {"chaosctl/change": None}}})
    with pytest.raises(ChaosctlError, match=r"has the mark of fault abcdefgh.*kubectl -n payment annotate services"):
        changes.revert(here(), change)
    assert state(change) == ("never", change.fault, "inert")


def test_what_looks_like_the_fault_after_it_was_taken_back_is_somebody_elses(change: Change) -> None:
    changes.apply(here(), change)
    changes.revert(here(), change)
    here().patch(PATH, {"spec": {"selector": {"app": "never"}}})
    changes.revert(here(), change)
    assert state(change) == ("never", "", "not found")


def test_field_that_changes_just_before_is_left(change: Change) -> None:
    with pytest.raises(Inconclusive, match=r"spec\.selector\.app is 'theirs'"):
        changes.apply(Crossed(lambda: here().patch(PATH, {"spec": {"selector": {"app": "theirs"}}})), change)
    assert state(change) == ("theirs", "", "not found")


def test_object_that_another_fault_has_is_left(change: Change) -> None:
    changes.apply(here(), change)
    with pytest.raises(Refused, match="is changed by fault abcdefgh already"):
        changes.apply(here(), Change("other", PATH, change.uid, change.fields, 60.0))
    assert state(change) == ("never", change.fault, "live")


def test_object_of_the_same_name_is_another_one(change: Change) -> None:
    stale = Change(change.fault, PATH, "another", change.fields, 60.0)
    with pytest.raises(Gone):
        changes.apply(here(), stale)
    changes.revert(here(), stale)
    assert state(change) == ("no", "", "not found")


@pytest.mark.parametrize("forged", ["", "[]", '{"sites": []}', "other", "moved"])
def test_guardian_goes_by_what_it_read_first_whatever_becomes_of_the_entry(change: Change, forged: str) -> None:
    """An entry that was written over, without its changes or with others, is no way to keep a fault alive."""
    soon = Change(change.fault, PATH, change.uid, change.fields, 4.0)
    made = noted(soon, clock() + 4)
    shared_ledger.note(made)
    path = f"{OURS}/configmaps/fault-{soon.fault}"
    elsewhere = {**written(noted(replace(soon, path=f"{SERVICES}/kubernetes"), clock() + 9000)), "id": soon.fault}
    texts = {"other": json.dumps({**elsewhere, "id": "zzzzzzzz"}), "moved": json.dumps(elsewhere)}
    try:
        guarding = threading.Thread(target=guard, args=(here(), path), daemon=True)
        guarding.start()
        guarding.join(1.5)
        changes.apply(here(), soon)
        here().patch(path, {"data": {"entry": texts.get(forged, forged)}})
        until("the end of the change", lambda: state(soon) == ("no", "", "not found"))
    finally:
        shared_ledger.forget(made)


def noted(change: Change, deadline: float) -> Entry:
    """Return the entry of a change."""
    text = changes.written(change)
    steps = Steps((), changes.undo(change.path, text), changes.checks(change.path, text))
    site = Site(f"object:{current().name}/service/payment/crossing", f"service:{change.uid}", steps)
    return Entry(change.fault, "service-endpoints-loss", "", current().name, "a test", 0.0, deadline, (site,))


def test_guardian_waits_for_a_change_that_comes_later_than_its_entry_says(change: Change) -> None:
    """Guardians may need longer to start than the fault lasts: the entry was written before."""
    soon = Change(change.fault, PATH, change.uid, change.fields, 1.0)
    entry = noted(soon, clock() - 1)
    shared_ledger.note(entry)
    try:
        guarding = threading.Thread(target=guard, args=(here(), f"{OURS}/configmaps/fault-{soon.fault}"), daemon=True)
        guarding.start()
        guarding.join(1.5)
        assert guarding.is_alive()
        changes.apply(here(), soon)
        until("the end of the change", lambda: state(soon) == ("no", "", "not found"))
        guarding.join(30)
        assert not guarding.is_alive()
    finally:
        shared_ledger.forget(entry)
