"""First looks at DNS take turns: how long answers take then says how long to wait for them later."""

import threading

from probes import dns
from runner.model import Look, Sight, clock
from tests._network import FULL, SERVER_V4, Network


def look(net: Network, before: Look | None = None) -> Look:
    return dns.look(net.client, before, [FULL], "timeout")


def test_first_look_waits_for_its_turn_and_later_ones_do_not(net: Network) -> None:
    net.resolve_by([SERVER_V4])
    held, seen = threading.Event(), []
    with dns._TURN:
        first = threading.Thread(target=lambda: seen.append(look(net)))
        first.start()
        begun = clock()
        while first.is_alive():
            held.wait(0.01)
        waited = clock() - begun
    assert waited > 0.9 * dns._LONGEST_TURN, "it waited as long as anybody does"
    [before] = seen
    assert before.sight is Sight.ABSENT, "and looked all the same"
    assert before.answered - before.asked < waited, "the wait is none of the look"
    with dns._TURN:
        assert look(net, before).sight is Sight.ABSENT
    assert look(net).sight is Sight.ABSENT
    assert dns._TURN.acquire(blocking=False)
    dns._TURN.release()
