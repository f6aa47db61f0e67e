"""The look of api-latency at servers that answer in every way that an API server may."""

import os

import pytest

from probes.api_requests import watch
from runner.errors import Unreachable
from runner.model import Sight, clock
from tests._https import https

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.mark.parametrize("how", ["closing", "chunked", "refusing"])
def test_connection_that_is_closed_and_answers_in_pieces_and_refusals_are_answers(how: str) -> None:
    with https(how) as made:
        watcher = watch(made.client, [made.by_service], 1.0, 0.9)
        watcher.open()
        try:
            begun = clock()
            seen = watcher.look(None)
            assert seen.sight is Sight.ABSENT, seen.detail
            assert seen.evidence["server"] == made.by_service
            assert watcher.look(seen).sight is Sight.ABSENT
            assert len(watcher.measured(begun, clock())) >= 20
            assert watcher.achieved(begun, clock()).sight is Sight.UNCLEAR, "nothing was late"
        finally:
            watcher.close()


def test_server_that_is_too_busy_has_not_answered() -> None:
    with https("busy") as made:
        watcher = watch(made.client, [made.by_itself], 1.0, 0.9)
        watcher.open()
        try:
            with pytest.raises(Unreachable, match="was not asked for anything"):
                watcher.look(None)
        finally:
            watcher.close()


def test_first_that_can_be_reached_is_asked_and_none_is_an_error() -> None:
    with https() as made:
        nowhere = made.by_itself.replace("6443", "1")
        watcher = watch(made.client, [nowhere, made.newer], 1.0, 0.9)
        watcher.open()
        try:
            assert watcher.look(None).evidence["server"] == made.newer
        finally:
            watcher.close()
        with pytest.raises(Unreachable, match=f"{nowhere} cannot be reached from {made.client.name}"):
            watch(made.client, [nowhere], 1.0, 0.9).open()
